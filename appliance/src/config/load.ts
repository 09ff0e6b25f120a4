import { readFile } from 'node:fs/promises'
import { parseCidr, specialRangeOf } from 'wireguard-ts/address'
import { isMap, isPair, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import type { z } from 'zod'
import { AppError, type FieldError } from '../errors/app-error.ts'
import { isSchedule } from './cron-schedule.ts'
import { configSchema, type Config } from './schema.ts'

/** Rules that no single field can hold. Pure; returns what is wrong. */
export function crossChecks(config: Config): FieldError[] {
  const wrong: FieldError[] = []
  const add = (pointer: string, detail: string) => wrong.push({ pointer, detail })
  if (config.mode === 'embedded' && config.chain.chainId !== 31337 && !config.publicChain) {
    add('/publicChain', 'embedded mode isolates nothing: another chain id than 31337 needs publicChain: true')
  }
  if (/^0x0{40}$/.test(config.roles.treasury)) add('/roles/treasury', 'the treasury must be an address that somebody holds')
  if (/^0x0{40}$/.test(config.roles.owner)) add('/roles/owner', 'the owner must be an address that somebody holds')
  const names = new Set<string>()
  config.plans.forEach((plan, i) => {
    if (names.has(plan.name)) add(`/plans/${i}/name`, `two plans are named ${plan.name}`)
    names.add(plan.name)
    if (plan.kind === 'vm') {
      if (plan.vcpus < 1) add(`/plans/${i}/vcpus`, 'a VM has at least 1')
      if (plan.memoryMiB < 128) add(`/plans/${i}/memoryMiB`, 'a VM has at least 128')
      if (plan.diskGiB < 1) add(`/plans/${i}/diskGiB`, 'a VM has at least 1')
      if (plan.gasPerDay !== '0') add(`/plans/${i}/gasPerDay`, 'gas is for plans of kind wasm')
    } else {
      if (!config.wasm.enabled) add(`/plans/${i}/kind`, 'this host does not serve WASM: set wasm.enabled: true')
      if (plan.vcpus + plan.memoryMiB + plan.diskGiB > 0) add(`/plans/${i}/kind`, 'a plan of kind wasm has no machine')
      if (/^0+$/.test(plan.gasPerDay)) add(`/plans/${i}/gasPerDay`, 'a plan of kind wasm needs gas')
    }
    if (plan.minSeconds > plan.maxSeconds) add(`/plans/${i}/minSeconds`, 'minSeconds is above maxSeconds')
    if (Object.keys(plan.prices).length === 0) add(`/plans/${i}/prices`, 'a plan needs at least one price')
  })
  checkBroker(config, add)
  const { backup } = config
  if (!isSchedule(backup.schedule)) add('/backup/schedule', 'a schedule is five fields of cron, such as 17 3 * * *')
  if (backup.recipient !== undefined && backup.passphraseFile !== undefined) {
    add('/backup/passphraseFile', 'a recipient and a passphrase exclude each other: leave one of them out')
  }
  if (config.hypervisor.kind === 'libvirt' && config.hypervisor.sshPorts.from >= config.hypervisor.sshPorts.to) {
    add('/hypervisor/sshPorts/from', 'the range of ports is empty')
  }
  return wrong
}

function checkBroker({ mode, hypervisor, network, tls }: Config, add: (pointer: string, detail: string) => void): void {
  const { broker, ipv6 } = network
  if (tls.kind === 'acme' && tls.proof === 'broker' && broker === null) {
    add('/tls/proof', 'a broker proves the name only where network.broker names one: name it, or take proof: http')
  }
  if (broker === null) return
  if (ipv6 !== null) add('/network/broker', 'a prefix of your own and a broker exclude each other: leave one of them out')
  if (mode === 'embedded')
    add('/network/broker', 'embedded mode has no network of its own for VMs: install Freehold on a machine')
  if (mode === 'installed' && hypervisor.kind === 'proxmox') {
    add('/network/broker', 'on Proxmox prefixes of brokers do not reach the guests: give a prefix of your own in network.ipv6')
  }
  if (broker.registry === null && broker.known.length === 0) {
    add('/network/broker/registry', 'name a registry, or a broker in known')
  }
  broker.known.forEach(({ name, pool }, i) => {
    const special = specialPool(pool)
    if (special !== undefined) add(`/network/broker/known/${i}/pool`, special)
    if (broker.known.findIndex((other) => other.name === name) < i) {
      add(`/network/broker/known/${i}/name`, `two brokers are named ${name}`)
    }
  })
}

function specialPool(pool: string): string | undefined {
  try {
    const special = specialRangeOf(parseCidr(pool))
    if (!pool.includes(':')) return `${pool} is IPv4`
    return special === undefined ? undefined : `${pool} lies in a range that is nobody’s on the Internet (${special})`
  } catch {
    return `${pool} is no network`
  }
}

/** Line (1-based) of the node at `path`, or of its nearest parent that is in the file. */
function lineOf(doc: Document, counter: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let depth = path.length; depth >= 0; depth--) {
    const keys = path.slice(0, depth).map((key) => (typeof key === 'symbol' ? key.toString() : key))
    const parent = keys.length === 0 ? doc.contents : doc.getIn(keys.slice(0, -1), true)
    const last = keys.at(-1)
    const pair =
      isMap(parent) && last !== undefined
        ? parent.items.find((i) => isPair(i) && isScalar(i.key) && i.key.value === last)
        : undefined
    const node = pair?.key ?? (keys.length === 0 ? doc.contents : doc.getIn(keys, true))
    const range = (node as { range?: [number, number, number] } | null | undefined)?.range
    if (range) return counter.linePos(range[0]).line
  }
  return undefined
}

function issueToFields(issue: z.core.$ZodIssue, doc: Document): { path: readonly PropertyKey[]; detail: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      detail: 'this field is not known; check its spelling or remove it',
    }))
  }
  const written: unknown = issue.code === 'invalid_type' && issue.expected === 'number' ? doc.getIn(issue.path) : undefined
  if (typeof written === 'string') {
    const detail = `${JSON.stringify(written.slice(0, 20))} is no number: write digits alone, in the unit that the field is named after`
    return [{ path: issue.path, detail }]
  }
  return [{ path: issue.path, detail: issue.message }]
}

/**
 * Parses a freehold.yaml or answer file. Throws `config-invalid` with one field error (JSON pointer, line, reason) per mistake.
 * Pure: reads nothing but `text`.
 */
export function parseConfig(text: string, file: string): Config {
  const counter = new LineCounter()
  const doc = parseDocument(text, { lineCounter: counter, prettyErrors: false })
  const invalid = (fields: FieldError[], hint = 'Correct the lines named below and run it again.') =>
    new AppError({
      code: 'config-invalid',
      detail: `${file} has ${fields.length === 1 ? 'a mistake' : `${fields.length} mistakes`}.`,
      hint,
      fields,
    })
  if (doc.errors.length > 0) {
    throw invalid(
      doc.errors.map((e) => ({ pointer: '', line: counter.linePos(e.pos[0]).line, detail: e.message })),
      'The file is not valid YAML: correct the lines named below.',
    )
  }
  const located = (path: readonly PropertyKey[], detail: string): FieldError => {
    const line = lineOf(doc, counter, path)
    return { pointer: path.map((key) => `/${String(key)}`).join(''), detail, ...(line !== undefined && { line }) }
  }
  const result = configSchema.safeParse(doc.toJS() ?? {})
  if (!result.success) {
    const fields = result.error.issues.flatMap((issue) => issueToFields(issue, doc))
    throw invalid(fields.map(({ path, detail }) => located(path, detail)))
  }
  const wrong = crossChecks(result.data)
  if (wrong.length > 0) {
    throw invalid(
      wrong.map((w) =>
        located(
          w.pointer
            .split('/')
            .slice(1)
            .map((key) => (/^\d+$/.test(key) ? Number(key) : key)),
          w.detail,
        ),
      ),
    )
  }
  return result.data
}

/** Reads and parses a file. Throws `config-unreadable` or `config-invalid`. */
export async function loadConfig(file: string): Promise<Config> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new AppError({ code: 'config-unreadable', detail: `${file} could not be read.`, cause })
  }
  return parseConfig(text, file)
}
