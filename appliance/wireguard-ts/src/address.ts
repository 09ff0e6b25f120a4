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

/** An address as 16-bit words from the left, two for IPv4 and eight for IPv6, with the length of its network. */
interface Bits {
  family: 4 | 6
  words: readonly number[]
  length: number
}

/** A network; a bare address counts as /32 or /128, host bits are cleared as `wg` does. Throws `bad-address`. */
export function parseCidr(text: string): Cidr {
  const { family, words, length } = bitsOf(text)
  const network = `${textOf(family, cut(words, length))}/${length}`
  // a piece of a long answer would keep all of it in memory, so what is handed out is never the piece itself
  return network as Cidr
}

/** An address of the interface itself; a bare address counts as /32 or /128. Throws `bad-address`. */
export function parseInterfaceAddress(text: string): InterfaceAddress {
  const { family, words, length } = bitsOf(text)
  return `${textOf(family, words)}/${length}` as InterfaceAddress
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
  const { family, words } = bitsOf(address)
  return zone === undefined ? textOf(family, words) : `${textOf(family, words)}%${zone}`
}

/** Whether two networks share an address. */
export function overlap(a: Cidr, b: Cidr): boolean {
  return shares(bitsOf(a), bitsOf(b))
}

function shares(x: Bits, y: Bits): boolean {
  const length = Math.min(x.length, y.length)
  return x.family === y.family && x.words.every((word, i) => kept(word, i, length) === kept(y.words[i] ?? 0, i, length))
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
    const { family, words, length } = bitsOf(network)
    for (const other of this.#lengths[family]) {
      if (other > length) continue
      const found = this.#owners[family].get(keyOf(words, other))
      if (found !== undefined) return found
    }
    return undefined
  }

  add(network: Cidr, owner: string): void {
    const { family, words, length } = bitsOf(network)
    this.#lengths[family].add(length)
    this.#owners[family].set(keyOf(words, length), { owner, network })
  }
}

/** Equal for all addresses of one network; cheaper than its text. */
function keyOf(words: readonly number[], length: number): string {
  const codes = words.slice(0, Math.ceil(length / 16)).map((word, i) => kept(word, i, length))
  return String.fromCharCode(length, ...codes)
}

/** The part of the i-th word that belongs to the first `length` bits. */
function kept(word: number, i: number, length: number): number {
  const bits = length - 16 * i
  return bits >= 16 ? word : bits <= 0 ? 0 : word & (0xffff << (16 - bits)) & 0xffff
}

function cut(words: readonly number[], length: number): number[] {
  return words.map((word, i) => kept(word, i, length))
}

// numbers, not bigints, and no memory of what was parsed: a hub reads thousands of networks at every look
function bitsOf(text: string): Bits {
  const slash = text.indexOf('/')
  const [address, length] = slash === -1 ? [text, undefined] : [text.slice(0, slash), text.slice(slash + 1)]
  const family = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 6 : undefined
  const most = family === 4 ? 32 : 128
  const bits = length === undefined ? most : /^(0|[1-9]\d{0,2})$/.test(length) ? Number(length) : Number.NaN
  if (family === undefined || !(bits <= most)) {
    throw new WireGuardError(
      'bad-address',
      `${JSON.stringify(text.slice(0, 80))} is no address or network`,
      'Write 10.0.0.0/24 or 2001:db8::/64.',
    )
  }
  return { family, words: family === 4 ? ipv4Words(address) : ipv6Words(address), length: bits }
}

function ipv4Words(text: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number)
  return [a * 256 + b, c * 256 + d]
}

/** Of a text that `isIPv6` takes. */
function ipv6Words(text: string): number[] {
  const dotted = text.includes('.') ? text.lastIndexOf(':') + 1 : text.length
  const words = [0, 0, 0, 0, 0, 0, 0, 0]
  let [at, gap, value, digits] = [0, -1, 0, 0]
  for (let i = 0; i < dotted; i += 1) {
    const code = text.charCodeAt(i)
    if (code !== colon) {
      // 0-9 are 48-57, letters of either case end in 1-6
      value = value * 16 + (code < 58 ? code - 48 : (code & 7) + 9)
      digits += 1
    } else if (digits > 0) {
      words[at] = value
      at += 1
      value = digits = 0
    }
    if (code === colon && text.charCodeAt(i + 1) === colon) gap = at
  }
  const last = dotted < text.length ? ipv4Words(text.slice(dotted)) : digits > 0 ? [value] : []
  for (const word of last) {
    words[at] = word
    at += 1
  }
  if (gap === -1) return words
  return [...words.slice(0, gap), ...Array<number>(8 - at).fill(0), ...words.slice(gap, at)]
}

const colon = 58

/** Canonical text. Source: RFC 5952 §4 (lower case, the longest and first run of zero groups is shortened). */
function textOf(family: 4 | 6, words: readonly number[]): string {
  if (family === 4) return words.map((word) => `${word >> 8}.${word & 255}`).join('.')
  let [best, bestLength] = [-1, 1]
  for (let i = 0; i < 8; i += 1) {
    let end = i
    while (end < 8 && words[end] === 0) end += 1
    if (end - i > bestLength) [best, bestLength] = [i, end - i]
    i = Math.max(i, end)
  }
  let text = ''
  for (let i = 0; i < 8; i += 1) {
    if (i === best) {
      text += '::'
      i += bestLength - 1
    } else text += text === '' || text.endsWith(':') ? hexOf(words[i]) : `:${hexOf(words[i])}`
  }
  return text
}

function hexOf(word = 0): string {
  return word.toString(16)
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
  const bits = bitsOf(network)
  return specialBits.find((special) => shares(special.bits, bits))?.name
}

const specialBits = specialNetworks.map(({ network, name }) => ({ bits: bitsOf(network), name }))
