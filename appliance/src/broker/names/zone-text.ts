import { ipv6ToBits } from '../../network/ip.ts'
import { lengthOf } from '../leases/pool.ts'
import type { Cidr } from 'wireguard-ts/address'
import type { ChallengeRow, NameRow } from './name-book.ts'

/** What a zone needs beside its names. */
export interface ZoneFacts {
  zone: string
  /** Full name of the name server, and its addresses where it lies in the zone (glue). */
  nameServer: string
  nameServerAddresses: readonly string[]
  hostmaster: string
  serial: number
}

/** Short: a name moves with its VM, and an ended lease must vanish. */
const ttlSeconds = 60

/** The forward zone as a file (RFC 1035 §5). Pure; sorted, so that the same names give the same text. */
export function forwardZone(facts: ZoneFacts, names: readonly NameRow[], challenges: readonly ChallengeRow[]): string {
  const inside = facts.nameServer.endsWith(`.${facts.zone}`)
  return [
    ...head(facts, facts.zone),
    ...(inside ? facts.nameServerAddresses.map((one) => `${facts.nameServer}. ${one.includes(':') ? 'AAAA' : 'A'} ${one}`) : []),
    ...names.map(({ label, address }) => `${label} AAAA ${address}`),
    ...challenges.map(({ label, value }) => `_acme-challenge.${label} TXT "${value}"`),
    '',
  ].join('\n')
}

/** The reverse zone of the pool. */
export function reverseZone(facts: ZoneFacts, pool: Cidr, names: readonly NameRow[]): string {
  const origin = reverseOrigin(pool)
  // several names may have one address; the reverse has one answer, the first of the alphabet
  const first = new Map<string, string>()
  for (const { label, address } of names) if (!first.has(address)) first.set(address, label)
  const lines = [...first].map(([address, label]) => `${nibbles(address)}.ip6.arpa. PTR ${label}.${facts.zone}.`)
  return [...head(facts, origin), ...lines.toSorted(), ''].join('\n')
}

/** `0.0.b.0.8.b.d.0.1.0.0.2.ip6.arpa`: the pool cut at a whole nibble, from above. */
export function reverseOrigin(pool: Cidr): string {
  const digits = Math.floor(lengthOf(pool) / 4)
  return `${nibbles(pool.split('/')[0] ?? '')
    .split('.')
    .slice(32 - digits)
    .join('.')}.ip6.arpa`
}

function head({ nameServer, hostmaster, serial }: ZoneFacts, origin: string): string[] {
  return [
    `$ORIGIN ${origin}.`,
    `$TTL ${ttlSeconds}`,
    `@ SOA ${nameServer}. ${hostmaster.replace('@', '.')}. ${serial} 3600 600 604800 ${ttlSeconds}`,
    `@ NS ${nameServer}.`,
  ]
}

/** RFC 3596 §2.5. */
function nibbles(address: string): string {
  return ipv6ToBits(address).toString(16).padStart(32, '0').split('').toReversed().join('.')
}
