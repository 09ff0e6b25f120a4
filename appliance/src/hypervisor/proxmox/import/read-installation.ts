import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { AppError } from '../../../errors/app-error.ts'

// Reads an installation of Blockhost by its file names (db.yaml, web3-defaults.yaml, vms.json). Names and fields come from its
// public description; nothing of its code. Keys and secrets are never opened.

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
  vmids: { from: number; to: number } | undefined
  vms: ImportedVm[]
  /** What a person must know before an adoption. */
  notes: string[]
}

/**
 * Reads the installation below `root` (its `etc/blockhost` and `var/lib/blockhost`). Throws `config-unreadable` where the list
 * of VMs is missing or is none.
 */
export async function readInstallation(root: string): Promise<ImportPlan> {
  const db = (await readYaml(join(root, 'etc/blockhost/db.yaml'), dbSchema)) ?? {}
  const web3 = (await readYaml(join(root, 'etc/blockhost/web3-defaults.yaml'), web3Schema)) ?? {}
  const text =
    (await readText(join(root, 'var/lib/blockhost/vms.json'))) ?? (await readText(join(root, 'var/lib/blockhost/vm-db.json')))
  if (text === undefined) {
    throw new AppError({
      code: 'config-unreadable',
      detail: 'There is neither var/lib/blockhost/vms.json nor vm-db.json below this folder.',
      hint: 'Name the folder that etc and var of that host were copied to, or / on the host itself.',
    })
  }
  const vmids = rangeOf(db.vmid_range)
  const notes = ['Expiry is read from its file; before an adoption the chain is asked, and only the chain counts.']
  if (db.gc_grace_days !== undefined)
    notes.push(`Its grace of ${db.gc_grace_days} days stands in no contract; a plan of Freehold has its own.`)
  if (vmids !== undefined && vmids.from < 10_000) {
    notes.push(
      `Its ids ${vmids.from}-${vmids.to} are open to other tools; adopted VMs would keep them, new ones get ids of the range of Freehold.`,
    )
  }
  return {
    chainId: web3.chain_id,
    contract: web3.subscription_contract,
    bridge: db.bridge,
    storage: db.storage_pool,
    vmids,
    vms: recordsOf(text).map((vm) => judge(vm, vmids)),
    notes,
  }
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
function judge(vm: z.output<typeof vmSchema>, vmids: { from: number; to: number } | undefined): ImportedVm {
  const base = { name: vm.vm_name, vmid: vm.vmid, owner: vm.owner ?? undefined, expiresAt: vm.expires_at ?? undefined }
  const leave = (because: string): ImportedVm => ({ ...base, verdict: 'leave', because })
  if (vm.status === 'destroyed') return leave('it is destroyed')
  if (vm.vmid === undefined) return leave('it has no id')
  if (vmids !== undefined && (vm.vmid < vmids.from || vm.vmid > vmids.to))
    return leave('its id lies outside of that installation’s range')
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
