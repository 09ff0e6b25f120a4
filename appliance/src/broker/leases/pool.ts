import { overlap, parseCidr, specialRangeOf, type Cidr } from 'wireguard-ts/address'
import { WireGuardError } from 'wireguard-ts/errors'
import { AppError } from '../../errors/app-error.ts'
import { bitsToIpv6, ipv6ToBits } from '../../network/ip.ts'

/** First and last address of a network. */
export interface Span {
  first: bigint
  last: bigint
}

/** What may be handed out. */
export interface Pool {
  network: Cidr
  /** Lengths of a lease, the usual one first: 64 and 56 where the pool is routed, 120 and 112 on-link. */
  lengths: readonly [number, number]
}

export function spanOf(network: Cidr): Span {
  const [address = '', length] = network.split('/')
  const first = ipv6ToBits(address)
  return { first, last: first + (1n << BigInt(128 - Number(length))) - 1n }
}

/** 32 hex digits: text that sorts as the number does. */
export function hex32(bits: bigint): string {
  return bits.toString(16).padStart(32, '0')
}

export function lengthOf(network: Cidr): number {
  return Number(network.split('/')[1])
}

/**
 * The pool in a text. Throws `bad-input` for what cannot be routed on the Internet (documentation, ULA, link-local, 6to4, …) and
 * for what is too small or too large. Documentation ranges pass where `allowDocumentation` is set: tests stand on them.
 */
export function parsePool(text: string, mode: 'routed' | 'on-link', allowDocumentation = false): Pool {
  const network = parseNetwork(text, '/network/pool')
  const special = specialRangeOf(network)
  const global = overlap('2000::/3' as Cidr, network) && lengthOf(network) >= 3
  if (!global || (special !== undefined && !(allowDocumentation && special === 'documentation'))) {
    const what = special ?? 'not global unicast'
    throw badPool(`${network} is ${what}`, 'Enter the IPv6 prefix that your provider routes to this machine.')
  }
  const length = lengthOf(network)
  const [least, most, lengths] = mode === 'routed' ? [20, 62, [64, 56]] : [48, 118, [120, 112]]
  if (length < least || length > most) {
    throw badPool(
      `${network} is a /${length}; ${mode} pools are /${least} to /${most}`,
      mode === 'routed' && length === 64
        ? 'A single /64 is an on-link prefix: set mode to on-link, or rent a /56 or /48.'
        : 'Enter the prefix with its length, such as 2a01:4f8:1234::/48.',
    )
  }
  return { network, lengths: lengths as [number, number] }
}

/** A network of IPv6 in canonical text, host bits zero. Throws `bad-input` at `pointer` otherwise. */
export function parseNetwork(text: string, pointer: string): Cidr {
  let network: Cidr
  try {
    network = parseCidr(text)
  } catch (cause) {
    if (!(cause instanceof WireGuardError)) throw cause
    throw new AppError({
      code: 'bad-input',
      detail: cause.message,
      hint: cause.hint,
      fields: [{ pointer, detail: cause.message }],
      cause,
    })
  }
  const [address, length] = text.split('/')
  const same = ((): boolean => {
    try {
      return length !== undefined && bitsToIpv6(ipv6ToBits(address ?? '')) === network.split('/')[0]
    } catch {
      return false
    }
  })()
  if (!network.includes(':') || !same) {
    const detail = `${JSON.stringify(text.slice(0, 80))} is not an IPv6 prefix with its length and no host bits`
    throw new AppError({ code: 'bad-input', detail, hint: `Write it as ${network}.`, fields: [{ pointer, detail }] })
  }
  return network
}

/** Refuses a prefix that no host may be given or may name: outside the pool, of another length, or the broker's own. */
export function checkWanted(prefix: Cidr, pool: Pool): void {
  const special = specialRangeOf(prefix)
  const seen = special === undefined || overlap(pool.network, prefix) ? prefix : `${prefix} (${special})`
  if (lengthOf(prefix) < lengthOf(pool.network) || !overlap(pool.network, prefix)) {
    throw badPrefix(`${seen} is not of this broker's pool ${pool.network}`, 'Ask without naming a prefix.')
  }
  if (!pool.lengths.includes(lengthOf(prefix))) {
    throw badPrefix(`${prefix} has another length than /${pool.lengths.join(' or /')}`, 'Ask for one of these lengths.')
  }
  if (overlap(ownNetwork(pool), prefix)) throw badPrefix(`${prefix} is the broker's own`, 'Ask without naming a prefix.')
}

/** The first network of the usual length: the broker's own address lies in it, and it is never leased. */
export function ownNetwork(pool: Pool): Cidr {
  return `${pool.network.split('/')[0]}/${pool.lengths[0]}` as Cidr
}

/** How many networks of a length the pool has. */
export function slots(pool: Pool, length: number): bigint {
  return length < lengthOf(pool.network) ? 0n : 1n << BigInt(length - lengthOf(pool.network))
}

/** The network of `length` at `index`. */
export function slotAt(pool: Pool, length: number, index: bigint): Cidr {
  return `${bitsToIpv6(spanOf(pool.network).first + (index << BigInt(128 - length)))}/${length}` as Cidr
}

const randomTries = 32

/**
 * A free network of `length`, sparse: random ones first, then, in a crowded pool, the first gap behind a random place. Undefined
 * if there is none. `taken` answers whether a span touches one that is held; `held` lists the held spans in order, and is
 * asked only when chance has failed.
 */
export function pickFree(
  pool: Pool,
  length: number,
  random: (below: bigint) => bigint,
  taken: (span: Span) => boolean,
  held: () => readonly Span[],
): Cidr | undefined {
  const count = slots(pool, length)
  if (count === 0n) return undefined
  const own = spanOf(ownNetwork(pool))
  const touchesOwn = (span: Span): boolean => span.first <= own.last && own.first <= span.last
  for (let i = 0; i < randomTries; i += 1) {
    const candidate = slotAt(pool, length, random(count))
    const span = spanOf(candidate)
    if (!touchesOwn(span) && !taken(span)) return candidate
  }
  const base = spanOf(pool.network).first
  const size = BigInt(128 - length)
  const blocked = [own, ...held()].map(({ first, last }) => ({ first: (first - base) >> size, last: (last - base) >> size }))
  blocked.sort((a, b) => (a.first < b.first ? -1 : 1))
  const start = random(count)
  return gap(blocked, start, count, (i) => slotAt(pool, length, i)) ?? gap(blocked, 0n, start, (i) => slotAt(pool, length, i))
}

/** The first index in [from, to) that no blocked range covers. `blocked` is sorted by `first`. */
function gap(blocked: readonly Span[], from: bigint, to: bigint, name: (index: bigint) => Cidr): Cidr | undefined {
  let index = from
  for (const { first, last } of blocked) {
    if (first > index) break
    if (last >= index) index = last + 1n
  }
  return index < to ? name(index) : undefined
}

function badPool(detail: string, hint: string): AppError {
  return new AppError({ code: 'bad-input', detail, hint, fields: [{ pointer: '/network/pool', detail }] })
}

function badPrefix(detail: string, hint: string): AppError {
  return new AppError({ code: 'bad-input', detail, hint, fields: [{ pointer: '/prefix', detail }] })
}
