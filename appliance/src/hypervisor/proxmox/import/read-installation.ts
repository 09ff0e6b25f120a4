import { readFile, realpath } from 'node:fs/promises'
import { isAbsolute, join, posix } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { AppError } from '../../../errors/app-error.ts'

// Reads an installation of Blockhost by its file names (db.yaml, web3-defaults.yaml, blockhost.yaml, broker-allocation.json, the
// list of VMs). Names and fields come from its public description; nothing of its code. Files of keys are never opened, and of
// those that hold some beside other things only the named fields are kept.

const range = z.union([z.object({ start: z.number(), end: z.number() }), z.tuple([z.number(), z.number()])])
const dbSchema = z.looseObject({
  db_file: z.string().optional(),
  gc_grace_days: z.number().optional(),
  vmid_range: range.optional(),
  bridge: z.string().optional(),
  storage_pool: z.string().optional(),
})
const web3Schema = z.looseObject({
  chain_id: z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).optional(),
  nft_contract: z.string().optional(),
  subscription_contract: z.string().optional(),
  rpc_url: z.string().optional(),
})
const hostSchema = z.object({
  provisioner: z.union([z.string(), z.object({ name: z.string() }).transform(({ name }) => name)]).optional(),
  admin: z.object({ wallet_address: z.string().optional() }).optional(),
})
const allocationSchema = z.object({ prefix: z.string().optional(), dns_zone: z.string().optional() })
const vmSchema = z.looseObject({
  vm_name: z.string(),
  vmid: z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).optional(),
  status: z.string().optional(),
  owner: z.string().nullish(),
  expires_at: z.string().nullish(),
  nft_token_id: z.union([z.number(), z.string()]).nullish(),
})

/** What would become of one VM. */
export interface ImportedVm {
  name: string
  vmid: number | undefined
  owner: string | undefined
  expiresAt: string | undefined
  verdict: 'adopt' | 'leave'
  /** Why it is left, or what its adoption asks for. */
  because: string
}

/** What an import would take over. Nothing is changed by looking. */
export interface ImportPlan {
  chainId: number | undefined
  contract: string | undefined
  bridge: string | undefined
  storage: string | undefined
  /** `libvirt` or `proxmox`, in its own words. */
  provisioner: string | undefined
  /** The operator's wallet. */
  admin: string | undefined
  /** IPv6 that its broker gave it. */
  prefix: string | undefined
  /** The list of VMs that was read, below the folder. */
  list: string
  vmids: { from: number; to: number } | undefined
  vms: ImportedVm[]
  /** What a person must know before an adoption. */
  notes: string[]
}

/**
 * Reads the installation below `root` (its `etc/blockhost` and `var/lib/blockhost`). Throws `config-unreadable` where the list
 * of VMs is missing, is none, or lies outside of `root`.
 */
export async function readInstallation(root: string): Promise<ImportPlan> {
  const db = (await readYaml(join(root, 'etc/blockhost/db.yaml'), dbSchema)) ?? {}
  const web3 = (await readYaml(join(root, 'etc/blockhost/web3-defaults.yaml'), web3Schema)) ?? {}
  const host = (await readYaml(join(root, 'etc/blockhost/blockhost.yaml'), hostSchema)) ?? {}
  // JSON is YAML
  const allocation = (await readYaml(join(root, 'etc/blockhost/broker-allocation.json'), allocationSchema)) ?? {}
  const [first, ...others] = await listsIn(root, db.db_file)
  if (first === undefined) {
    throw new AppError({
      code: 'config-unreadable',
      detail: `There is neither ${[db.db_file, ...usualLists].filter((name) => name !== undefined).join(' nor ')} below this folder.`,
      hint: 'Name the folder that etc and var of that host were copied to, or / on the host itself.',
    })
  }
  const { name: list, text } = first
  const vmids = rangeOf(db.vmid_range)
  const notes = ['Expiry is read from its file; before an adoption the chain is asked, and only the chain counts.']
  if (db.gc_grace_days !== undefined)
    notes.push(`Its grace of ${db.gc_grace_days} days stands in no contract; a plan of Freehold has its own.`)
  if (vmids !== undefined && vmids.from < 10_000) {
    notes.push(
      `Its ids ${vmids.from}-${vmids.to} are open to other tools; adopted VMs would keep them, new ones get ids of the range of Freehold.`,
    )
  }
  if (others.length > 0) {
    const names = others.map(({ name }) => name).join(', ')
    notes.push(`Only ${list} was read. There is also ${names}: parts of that system write the one and read the other.`)
  }
  return {
    chainId: web3.chain_id,
    contract: web3.subscription_contract,
    bridge: db.bridge,
    storage: db.storage_pool,
    provisioner: host.provisioner,
    admin: host.admin?.wallet_address,
    prefix: allocation.prefix,
    list,
    vmids,
    vms: recordsOf(text).map((vm, _, all) => judge(vm, vmids, all)),
    notes,
  }
}

/** Where the list lies unless db.yaml says otherwise. */
const usualLists = ['var/lib/blockhost/vms.json', 'var/lib/blockhost/vm-db.json'] as const

/** The lists that are there, that of `db_file` first. A path is taken below `root`, never out of it. */
async function listsIn(root: string, named: string | undefined): Promise<{ name: string; text: string }[]> {
  const own = named === undefined ? [] : [posix.join('/', isAbsolute(named) ? '' : 'var/lib/blockhost', named).slice(1)]
  const found: { name: string; text: string }[] = []
  for (const name of new Set([...own, ...usualLists])) {
    const path = join(root, name)
    const text = await readText(path)
    if (text === undefined) continue
    const [inside, at] = [await realpath(root), await realpath(path)]
    if (at !== inside && !at.startsWith(inside.endsWith('/') ? inside : `${inside}/`)) {
      throw new AppError({ code: 'config-unreadable', detail: `${name} leads out of this folder.` })
    }
    found.push({ name, text })
  }
  return found
}

function rangeOf(given: z.output<typeof range> | undefined): { from: number; to: number } | undefined {
  if (given === undefined) return undefined
  return Array.isArray(given) ? { from: given[0], to: given[1] } : { from: given.start, to: given.end }
}

/** A list, a map by name, or either below `vms`. */
function recordsOf(text: string): z.output<typeof vmSchema>[] {
  const unreadable = (cause: unknown) =>
    new AppError({ code: 'config-unreadable', detail: 'The list of VMs is not in a form that is known.', cause })
  try {
    const json: unknown = JSON.parse(text)
    const inner: unknown = typeof json === 'object' && json !== null && 'vms' in json ? json.vms : json
    if (Array.isArray(inner)) return z.array(vmSchema).parse(inner)
    const map = z.record(z.string(), z.record(z.string(), z.unknown())).parse(inner)
    return Object.entries(map).map(([name, vm]) => vmSchema.parse({ vm_name: name, ...vm }))
  } catch (cause) {
    throw unreadable(cause)
  }
}

/** One rule: what may be adopted is alive, has an id of its range and a pass whose holder can be asked. Pure. */
function judge(
  vm: z.output<typeof vmSchema>,
  vmids: { from: number; to: number } | undefined,
  all: readonly z.output<typeof vmSchema>[],
): ImportedVm {
  const base = { name: vm.vm_name, vmid: vm.vmid, owner: vm.owner ?? undefined, expiresAt: vm.expires_at ?? undefined }
  const leave = (because: string): ImportedVm => ({ ...base, verdict: 'leave', because })
  if (vm.status === 'destroyed') return leave('it is destroyed')
  if (vm.vmid === undefined) return leave('it has no id')
  if (vmids !== undefined && (vm.vmid < vmids.from || vm.vmid > vmids.to))
    return leave('its id lies outside of that installation’s range')
  const alive = all.filter((other) => other !== vm && other.status !== 'destroyed')
  if (alive.some((other) => other.vmid === vm.vmid)) return leave('another VM of the list has its id')
  const pass = String(vm.nft_token_id ?? '')
  if (pass !== '' && alive.some((other) => String(other.nft_token_id ?? '') === pass))
    return leave('another VM of the list has its pass')
  if (vm.owner === undefined || vm.owner === null || !/^0x[0-9a-fA-F]{40}$/.test(vm.owner))
    return leave('no wallet is known as its owner')
  if (vm.nft_token_id === undefined || vm.nft_token_id === null) return leave('it has no pass')
  return {
    ...base,
    verdict: 'adopt',
    because: `the holder of pass ${vm.nft_token_id} would sign once, and gets a pass of Freehold for the rest of its time`,
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new AppError({ code: 'config-unreadable', detail: 'A file of the installation cannot be read.', cause })
  }
}

async function readYaml<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T> | undefined> {
  const text = await readText(path)
  if (text === undefined) return undefined
  try {
    return schema.parse(parse(text))
  } catch (cause) {
    throw new AppError({ code: 'config-unreadable', detail: `${path.split('/').at(-1)} is not in a form that is known.`, cause })
  }
}
