import { createHash } from 'node:crypto'
import { parseCidr, type Cidr } from 'wireguard-ts/address'
import { run, runOrFail, type RunOptions } from 'wireguard-ts/run'
import { z } from 'zod'
import { baseChains, setNames, tableName, type LeaseElements, type SetName } from './rules.ts'

/** Our table as it stands. */
export interface TableState {
  /** Hash of the rules of the base as the kernel tells them, and of chains that are nobody's. */
  listing: string
  /** Names of markers: sets that say what the base was made from. */
  markers: readonly string[]
  elements: Record<SetName, Map<Cidr, string>>
  /** Elements that no lease could have, as nft writes them (a range). */
  strange: readonly { set: SetName; text: string }[]
  /** Chains of closed ports, by name, with their rules as `elementsOf` writes them. */
  chains: Map<string, readonly string[]>
  limits: Set<string>
  /** Chains that are neither the base's nor a lease's. */
  foreignChains: readonly string[]
  /** Bytes counted in the sets `out` and `in`. */
  bytes: { out: Map<Cidr, bigint>; in: Map<Cidr, bigint> }
}

const key = z.union([z.string(), z.object({ prefix: z.object({ addr: z.string(), len: z.number() }) }), z.looseObject({})])
const counted = z.object({ elem: z.object({ val: key, counter: z.object({ bytes: z.number() }).optional() }) })
const entry = z.union([
  z.object({ chain: z.looseObject({ name: z.string() }) }),
  z.object({ rule: z.looseObject({ chain: z.string() }) }),
  z.object({ limit: z.looseObject({ name: z.string() }) }),
  z.object({ set: z.looseObject({ name: z.string(), elem: z.array(z.union([counted, key])).optional() }) }),
  z.object({
    map: z.looseObject({ name: z.string(), elem: z.array(z.tuple([z.union([counted, key]), z.unknown()])).optional() }),
  }),
  z.looseObject({}),
])
const closingRule = z.object({
  expr: z.tuple([
    z.object({
      match: z.strictObject({
        op: z.literal('=='),
        left: z.object({ payload: z.object({ protocol: z.string(), field: z.literal('dport') }) }),
        right: z.union([z.number(), z.object({ set: z.array(z.number()) })]),
      }),
    }),
    z.object({ counter: z.unknown() }),
    z.object({ reject: z.object({ type: z.literal('icmpx'), expr: z.literal('admin-prohibited') }) }),
  ]),
})
const listingSchema = z.object({ nftables: z.array(entry) })

/** What stands; undefined without the table. `rules`: without elements, which is quick at any size. Throws what `run` throws. */
export async function readTable(where: RunOptions, only?: 'rules'): Promise<TableState | undefined> {
  const terse = only === 'rules' ? ['-t'] : []
  const shown = await run('nft', ['-j', ...terse, 'list', 'table', 'inet', tableName], where)
  if (shown.code !== 0) return undefined
  return parseTable(shown.stdout)
}

/** Pure half of `readTable`. */
export function parseTable(json: string): TableState {
  const { nftables } = listingSchema.parse(JSON.parse(json))
  const state = {
    listing: '',
    markers: [] as string[],
    elements: Object.fromEntries(setNames.map((name) => [name, new Map<Cidr, string>()])) as Record<SetName, Map<Cidr, string>>,
    strange: [] as { set: SetName; text: string }[],
    chains: new Map<string, string[]>(),
    limits: new Set<string>(),
    foreignChains: [] as string[],
    bytes: { out: new Map<Cidr, bigint>(), in: new Map<Cidr, bigint>() },
  }
  const base: unknown[] = []
  const take = (set: SetName, value: unknown, held: string): void => {
    const element = (value as { elem?: { val: unknown; counter?: { bytes: number } } } | null)?.elem
    const prefix = prefixOf(element?.val ?? value)
    if (prefix === undefined) return void state.strange.push({ set, text: rangeText(element?.val ?? value) })
    state.elements[set].set(prefix, held)
    if (set === 'out' || set === 'in') state.bytes[set].set(prefix, BigInt(element?.counter?.bytes ?? 0))
  }
  for (const item of nftables) {
    if ('chain' in item) {
      const { name } = item.chain as { name: string }
      if (isBase(name)) base.push(stable(item.chain))
      else if (name.startsWith('closed_')) state.chains.set(name, state.chains.get(name) ?? [])
      else state.foreignChains.push(name)
    } else if ('rule' in item) {
      const { chain } = item.rule as { chain: string }
      if (isBase(chain)) base.push(stable(item.rule))
      else if (chain.startsWith('closed_')) state.chains.set(chain, [...(state.chains.get(chain) ?? []), closingText(item.rule)])
    } else if ('limit' in item) state.limits.add((item.limit as { name: string }).name)
    else if ('set' in item) {
      const { name, elem } = item.set as { name: string; elem?: unknown[] }
      if (/^v[0-9a-f]{16}$/.test(name)) state.markers.push(name)
      else if (isSet(name)) for (const value of elem ?? []) take(name, value, '')
    } else if ('map' in item) {
      const { name, elem } = item.map as { name: string; elem?: [unknown, unknown][] }
      if (isSet(name)) for (const [value, data] of elem ?? []) take(name, value, heldText(data))
    }
  }
  state.listing = hash(JSON.stringify(base))
  return state
}

/** The name of the marker for rules made from `text` that the kernel tells as `listing`. */
export function markerOf(text: string, listing: string): string {
  return `v${hash(`${text}\n${listing}`)}`
}

/** Lines for one transaction that turn the lease part of `actual` into `wanted`, with the prefix each is about. Pure. */
export function elementLines(wanted: LeaseElements, actual: TableState | undefined): ElementLine[] {
  const [before, removals, additions, after]: [ElementLine[], ElementLine[], ElementLine[], ElementLine[]] = [[], [], [], []]
  for (const [name, rules] of wanted.chains) {
    const standing = actual?.chains.get(name)
    if (standing?.join('\n') === rules.join('\n')) continue
    // in the same transaction: never open for a moment
    before.push({ action: 'add', text: `${standing === undefined ? 'add' : 'flush'} chain inet ${tableName} ${name}` })
    for (const rule of rules) before.push({ action: 'add', text: `add rule inet ${tableName} ${name} ${rule}` })
  }
  for (const [name, limit] of wanted.limits) {
    if (actual?.limits.has(name) !== true) before.push({ action: 'add', text: `add limit inet ${tableName} ${name} ${limit}` })
  }
  for (const set of setNames) {
    const has = actual?.elements[set] ?? new Map<Cidr, string>()
    const wants: ReadonlyMap<Cidr, string> = wanted[set]
    const gone = [...has].filter(([prefix, held]) => wants.get(prefix) !== held)
    const fresh = [...wants].filter(([prefix, held]) => has.get(prefix) !== held)
    removals.push(...(actual?.strange ?? []).filter((s) => s.set === set).map((s) => line('delete', set, undefined, s.text)))
    removals.push(...gone.map(([prefix]) => line('delete', set, prefix, prefix)))
    additions.push(...fresh.map(([prefix, held]) => line('add', set, prefix, `${prefix}${valueText(set, held)}`)))
  }
  for (const name of actual?.chains.keys() ?? []) {
    if (!wanted.chains.has(name)) after.push(...dropChain(name))
  }
  for (const name of actual?.limits ?? []) {
    if (!wanted.limits.has(name)) after.push({ action: 'remove', text: `delete limit inet ${tableName} ${name}` })
  }
  for (const name of actual?.foreignChains ?? []) after.push(...dropChain(name))
  return [...before, ...removals, ...additions, ...after]
}

export interface ElementLine {
  action: 'add' | 'remove'
  text: string
  prefix?: Cidr
}

/** Applies lines as one transaction: all or nothing. Throws `interface-refused`. */
export async function applyTable(lines: readonly string[], where: RunOptions): Promise<void> {
  if (lines.length > 0) await runOrFail('set the firewall', 'nft', ['-f', '-'], { ...where, input: `${lines.join('\n')}\n` })
}

/** Joins element lines about one set into one command: 5,000 commands would each be looked up. */
export function joined(lines: readonly ElementLine[]): string[] {
  const result: string[] = []
  let [head, members]: [string, string[]] = ['', []]
  const flush = (): void => {
    if (members.length > 0) result.push(`${head}{ ${members.join(', ')} }`)
    members = []
  }
  for (const { text } of lines) {
    const at = /^(?:add|delete) element /.test(text) ? text.indexOf('{') : -1
    const start = at === -1 ? '' : text.slice(0, at)
    if (start === '' || start !== head) flush()
    head = start
    if (at === -1) result.push(text)
    else members.push(text.slice(at + 2, -2))
  }
  flush()
  return result
}

function line(verb: 'add' | 'delete', set: SetName, prefix: Cidr | undefined, text: string): ElementLine {
  return {
    action: verb === 'add' ? 'add' : 'remove',
    text: `${verb} element inet ${tableName} ${set} { ${text} }`,
    ...(prefix !== undefined && { prefix }),
  }
}

function dropChain(name: string): ElementLine[] {
  return ['flush', 'delete'].map((verb) => ({ action: 'remove' as const, text: `${verb} chain inet ${tableName} ${name}` }))
}

function valueText(set: SetName, held: string): string {
  if (set === 'closings') return ` : jump ${held}`
  return set === 'cap_out' || set === 'cap_in' ? ` : "${held}"` : ''
}

function heldText(data: unknown): string {
  if (typeof data === 'string') return data
  return (data as { jump?: { target: string } } | null)?.jump?.target ?? JSON.stringify(data)
}

function prefixOf(value: unknown): Cidr | undefined {
  if (typeof value === 'string') return parseCidr(value)
  const prefix = (value as { prefix?: { addr: string; len: number } } | null)?.prefix
  return prefix === undefined ? undefined : parseCidr(`${prefix.addr}/${prefix.len}`)
}

function rangeText(value: unknown): string {
  return ((value as { range?: string[] } | null)?.range ?? []).join('-')
}

/** A rule of a chain of closed ports as `elementsOf` writes it; anything else as JSON, which equals none. */
function closingText(rule: unknown): string {
  const { expr } = closingRule.safeParse(rule).data ?? {}
  if (expr === undefined) return JSON.stringify(rule)
  const [{ match }] = expr
  const list = typeof match.right === 'number' ? [match.right] : match.right.set
  const { protocol } = match.left.payload
  return `${protocol} dport { ${list.join(', ')} } counter reject with icmpx admin-prohibited comment "closed port"`
}

/** Without what the kernel numbers and counts. */
function stable(item: unknown): unknown {
  return JSON.parse(
    JSON.stringify(item, (name, value: unknown) =>
      name === 'handle' ? undefined : name === 'counter' && typeof value === 'object' ? {} : value,
    ),
  )
}

function isBase(name: string): boolean {
  return (baseChains as readonly string[]).includes(name)
}

function isSet(name: string): name is SetName {
  return (setNames as readonly string[]).includes(name)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
