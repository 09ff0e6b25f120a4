import { isIPv4, isIPv6 } from 'node:net'
import { WireGuardError } from './errors.ts'

declare const brand: unique symbol

/** A network in canonical text: `10.0.0.0/24`, `2001:db8::/64`; host bits are zero. */
export type Cidr = string & { readonly [brand]: 'Cidr' }

/** An address with the length of its network, host bits kept: `10.0.0.1/24`, `2001:db8::1/64`. */
export type InterfaceAddress = string & { readonly [brand]: 'InterfaceAddress' }

/** Where a peer is reached: an address or a name, and a UDP port. */
export interface Endpoint {
  host: string
  port: number
}

interface Bits {
  family: 4 | 6
  value: bigint
  length: number
}

/** A network; a bare address counts as /32 or /128, host bits are cleared as `wg` does. Throws `bad-address`. */
export function parseCidr(text: string): Cidr {
  const known = canonical.get(text)
  if (known !== undefined) return known
  const { family, value, length } = bitsOf(text)
  const host = BigInt((family === 4 ? 32 : 128) - length)
  return remember(canonical, text, `${textOf(family, (value >> host) << host)}/${length}` as Cidr)
}

// a hub of thousands of peers reads the same networks at every look: parsing them anew was most of its work
const canonical = new Map<string, Cidr>()
const parsed = new Map<string, Bits>()

function remember<T>(table: Map<string, T>, text: string, value: T): T {
  if (table.size >= 65_536) table.clear()
  // a piece of a long answer would keep all of it in memory: the key is a copy
  const key: string = typeof value === 'string' && value === text ? value : Buffer.from(text, 'latin1').toString('latin1')
  if (text.length <= 64) table.set(key, value)
  return value
}

/** An address of the interface itself; a bare address counts as /32 or /128. Throws `bad-address`. */
export function parseInterfaceAddress(text: string): InterfaceAddress {
  const { family, value, length } = bitsOf(text)
  return `${textOf(family, value)}/${length}` as InterfaceAddress
}

/** `host:port` or `[ipv6]:port`. Throws `bad-endpoint`. A name is not looked up here. */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]{1,15})?)\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  const wrong = match?.[1] !== undefined && !isIPv6(match[1])
  if (host === undefined || wrong || port < 1 || port > 65535) {
    throw new WireGuardError(
      'bad-endpoint',
      `${JSON.stringify(text.slice(0, 80))} is no endpoint`,
      'Write host:port or [ipv6]:port.',
    )
  }
  if (isIPv6(host)) return { host: canonicalAddress(host), port }
  // dotted digits that are no IPv4 address would be looked up as a name: nobody means that
  if (/^[\d.]+$/.test(host) && !isIPv4(host)) {
    throw new WireGuardError('bad-endpoint', `${JSON.stringify(host)} is no IPv4 address`, 'Write host:port or [ipv6]:port.')
  }
  return { host, port }
}

export function endpointText({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The one way to write an address (RFC 5952); throws `bad-address`. A zone stays. */
export function canonicalAddress(text: string): string {
  const [address = '', zone] = text.split('%', 2)
  const { family, value } = bitsOf(address)
  return zone === undefined ? textOf(family, value) : `${textOf(family, value)}%${zone}`
}

/** Whether two networks share an address. */
export function overlap(a: Cidr, b: Cidr): boolean {
  const [x, y] = [bitsOf(a), bitsOf(b)]
  if (x.family !== y.family) return false
  const shift = BigInt((x.family === 4 ? 32 : 128) - Math.min(x.length, y.length))
  return x.value >> shift === y.value >> shift
}

export function familyOf(network: Cidr | InterfaceAddress): 4 | 6 {
  return network.includes(':') ? 6 : 4
}

/** An index of networks that finds one that contains another, without comparing all with all. Add shorter prefixes first. */
export class NetworkIndex {
  readonly #owners = {
    4: new Map<string, { owner: string; network: Cidr }>(),
    6: new Map<string, { owner: string; network: Cidr }>(),
  }
  readonly #lengths = { 4: new Set<number>(), 6: new Set<number>() }

  /** The network in the index that contains `network`, or undefined. O(number of distinct prefix lengths). */
  ownerOf(network: Cidr): { owner: string; network: Cidr } | undefined {
    const { family, value, length } = bitsOf(network)
    for (const other of this.#lengths[family]) {
      if (other > length) continue
      const found = this.#at(family, value, other)
      if (found !== undefined) return found
    }
    return undefined
  }

  add(network: Cidr, owner: string): void {
    const { family, value, length } = bitsOf(network)
    this.#lengths[family].add(length)
    this.#owners[family].set(keyOf(family, value, length), { owner, network })
  }

  #at(family: 4 | 6, value: bigint, length: number): { owner: string; network: Cidr } | undefined {
    return this.#owners[family].get(keyOf(family, value, length))
  }
}

/** Equal for all addresses of one network; cheaper than its text. */
function keyOf(family: 4 | 6, value: bigint, length: number): string {
  return `${(value >> BigInt((family === 4 ? 32 : 128) - length)).toString(16)}/${length}`
}

function bitsOf(text: string): Bits {
  return parsed.get(text) ?? remember(parsed, text, parseBits(text))
}

function parseBits(text: string): Bits {
  const [address = '', length, ...rest] = text.split('/')
  const family = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 6 : undefined
  const most = family === 4 ? 32 : 128
  const bits = length === undefined ? most : /^(0|[1-9]\d{0,2})$/.test(length) ? Number(length) : Number.NaN
  if (family === undefined || rest.length > 0 || !(bits <= most)) {
    throw new WireGuardError(
      'bad-address',
      `${JSON.stringify(text.slice(0, 80))} is no address or network`,
      'Write 10.0.0.0/24 or 2001:db8::/64.',
    )
  }
  return { family, value: family === 4 ? ipv4Bits(address) : ipv6Bits(address), length: bits }
}

function ipv4Bits(text: string): bigint {
  return text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
}

function ipv6Bits(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const whole =
    dotted === null
      ? text
      : `${dotted[1]}${(ipv4Bits(dotted[2] ?? '') >> 16n).toString(16)}:${(ipv4Bits(dotted[2] ?? '') & 0xffffn).toString(16)}`
  const [head = [], tail] = whole.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const groups = tail === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
}

/** Canonical text. Source: RFC 5952 §4 (lower case, the longest and first run of zero groups is shortened). */
function textOf(family: 4 | 6, value: bigint): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.')
  const hex = value.toString(16).padStart(32, '0')
  const groups = Array.from({ length: 8 }, (_, i) => parseInt(hex.slice(4 * i, 4 * i + 4), 16).toString(16))
  const runs = [...groups.join(':').matchAll(/\b0(?::0)+\b/g)].toSorted((a, b) => b[0].length - a[0].length || a.index - b.index)
  const [longest] = runs
  if (longest === undefined) return groups.join(':')
  const text = groups.join(':')
  return `${text.slice(0, longest.index).replace(/:$/, '')}::${text.slice(longest.index + longest[0].length).replace(/^:/, '')}`
}

/** Networks that no tunnel of the public Internet may carry or be reached through, by name. */
export const specialNetworks: readonly { network: Cidr; name: string }[] = (
  [
    ['2001:db8::/32', 'documentation'],
    ['3fff::/20', 'documentation'],
    ['fc00::/7', 'unique local'],
    ['fe80::/10', 'link-local'],
    ['ff00::/8', 'multicast'],
    ['2002::/16', '6to4'],
    ['2001::/32', 'Teredo'],
    ['::/128', 'unspecified'],
    ['::1/128', 'loopback'],
    ['10.0.0.0/8', 'private'],
    ['172.16.0.0/12', 'private'],
    ['192.168.0.0/16', 'private'],
    ['100.64.0.0/10', 'shared (CGNAT)'],
    ['127.0.0.0/8', 'loopback'],
    ['169.254.0.0/16', 'link-local'],
    ['192.0.2.0/24', 'documentation'],
    ['198.51.100.0/24', 'documentation'],
    ['203.0.113.0/24', 'documentation'],
    ['224.0.0.0/4', 'multicast'],
  ] as const
).map(([network, name]) => ({ network: network as Cidr, name }))

/** The name of the special range that `network` touches (RFC 6890, 3849, 9637, 5737, 3056, 4380), or undefined. */
export function specialRangeOf(network: Cidr): string | undefined {
  return specialNetworks.find((special) => overlap(special.network, network))?.name
}
