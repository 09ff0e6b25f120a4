import { createHash } from 'node:crypto'
import type { Cidr } from 'wireguard-ts/address'
import type { ClosedPorts, DataPathSettings, Lease } from '../types.ts'

/** Our one nftables table. */
export const tableName = 'freehold_broker'

/** Chains of the base; everything else in the table belongs to leases and begins with `closed_`. */
export const baseChains = ['forward', 'from_host', 'to_host', 'input'] as const

/** All that leases put into the table. Keys are prefixes; a value is what a map holds for it. */
export interface LeaseElements {
  /** Prefixes of leases, counted from the host and to the host. */
  out: Map<Cidr, ''>
  in: Map<Cidr, ''>
  suspended: Map<Cidr, ''>
  closings: Map<Cidr, string>
  cap_out: Map<Cidr, string>
  cap_in: Map<Cidr, string>
  /** Chains of closed ports by name: leases with the same ports share one. */
  chains: Map<string, readonly string[]>
  /** Named limits with their text. The name holds the value, so a changed cap is another limit. */
  limits: Map<string, string>
}

export const setNames = ['out', 'in', 'suspended', 'closings', 'cap_out', 'cap_in'] as const
export type SetName = (typeof setNames)[number]

/**
 * The part of the table that no lease changes, for `nft -f -`. Applied again it replaces the rules in one transaction and leaves
 * sets, counters and connections alone. Sources: facts of wireguard.com "netns"; BCP 38; RFC 4890 for what ICMPv6 must pass.
 */
export function baseRules(settings: DataPathSettings): string {
  const { interfaceName: tunnel, uplink, pool, hostToHost, mtu, listenPort, ownAddress, openPorts } = settings
  const own = ownAddress.slice(0, ownAddress.indexOf('/'))
  // TCP through the tunnel never needs to learn the MTU by losing a packet
  const clamp = (inner: number) => `tcp flags & (syn | rst) == syn tcp option maxseg size set ${inner}`
  const rules: Record<(typeof baseChains)[number], string[]> = {
    forward: [
      // nobody outside speaks with an address of ours
      `iifname != "${tunnel}" ip6 saddr ${pool} counter drop comment "pool from outside"`,
      ...(hostToHost ? [] : [`iifname "${tunnel}" oifname "${tunnel}" counter drop comment "host to host"`]),
      `${clamp(mtu - 60)}`,
      ...(hostToHost ? [`iifname "${tunnel}" oifname "${tunnel}" jump from_host`] : []),
      `iifname "${tunnel}" oifname "${uplink}" goto from_host`,
      `oifname "${tunnel}" goto to_host`,
      'counter drop comment "not ours"',
    ],
    from_host: [
      'ip6 saddr @suspended counter drop comment "suspended"',
      'ip6 saddr vmap @closings',
      'limit name ip6 saddr map @cap_out counter drop comment "cap"',
      // the set counts what it lets through; between hosts the other side has its say too
      `oifname "${uplink}" ip6 saddr @out accept`,
      `oifname "${tunnel}" ip6 saddr @out return`,
      'counter drop comment "no lease"',
    ],
    to_host: [
      'ip6 daddr @suspended counter drop comment "suspended"',
      'limit name ip6 daddr map @cap_in counter drop comment "cap"',
      'ip6 daddr @in accept',
      'counter drop comment "no lease"',
    ],
    input: [
      'iif lo accept',
      'ct state established,related accept',
      'ct state invalid drop',
      'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept',
      'icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, mld2-listener-report } accept',
      'icmpv6 type echo-request limit rate 1000/second accept',
      'icmp type echo-request limit rate 1000/second accept',
      // leases of the machine's own addresses
      'udp dport { 68, 546 } accept',
      `udp dport ${listenPort} accept`,
      ...ports('tcp', openPorts.tcp).map((match) => `${match} accept`),
      ...ports('udp', openPorts.udp).map((match) => `${match} accept`),
      `iifname "${tunnel}" ip6 daddr ${own} meta l4proto { tcp, udp } th dport 53 accept`,
      'counter drop comment "input"',
    ],
  }
  const hooks: Partial<Record<string, string>> = {
    forward: 'type filter hook forward priority filter; policy drop;',
    input: 'type filter hook input priority filter; policy drop;',
  }
  const declared = baseChains.map((name) => `  chain ${name} { ${hooks[name] ?? ''} }`)
  return [
    `table inet ${tableName} {`,
    '  set out { type ipv6_addr; flags interval; counter; }',
    '  set in { type ipv6_addr; flags interval; counter; }',
    '  set suspended { type ipv6_addr; flags interval; }',
    '  map closings { type ipv6_addr : verdict; flags interval; }',
    '  map cap_out { type ipv6_addr : limit; flags interval; }',
    '  map cap_in { type ipv6_addr : limit; flags interval; }',
    ...declared,
    '}',
    ...baseChains.map((name) => `flush chain inet ${tableName} ${name}`),
    ...baseChains.flatMap((name) => rules[name].map((rule) => `add rule inet ${tableName} ${name} ${rule}`)),
    '',
  ].join('\n')
}

/** What the leases put into the table. Pure; the order of leases does not matter. */
export function elementsOf(leases: readonly Lease[]): LeaseElements {
  const all: LeaseElements = {
    out: new Map(),
    in: new Map(),
    suspended: new Map(),
    closings: new Map(),
    cap_out: new Map(),
    cap_in: new Map(),
    chains: new Map(),
    limits: new Map(),
  }
  for (const { id, prefix, suspended, closed, rateCapBytesPerSecond: cap } of leases) {
    all.out.set(prefix, '')
    all.in.set(prefix, '')
    if (suspended) all.suspended.set(prefix, '')
    if (closed.tcp.length + closed.udp.length > 0) {
      const chain = closingChain(closed)
      all.chains.set(chain.name, chain.rules)
      all.closings.set(prefix, chain.name)
    }
    if (cap === undefined) continue
    for (const direction of ['out', 'in'] as const) {
      const name = `${id.replace('l-', 'cap_')}_${direction}_${cap}`
      // a quarter of a second at once, or a large segment: less would hold TCP far below its cap
      all.limits.set(name, `rate over ${cap} bytes/second burst ${Math.max(65_536, Math.ceil(cap / 4))} bytes`)
      all[`cap_${direction}`].set(prefix, name)
    }
  }
  return all
}

/** Refused aloud: the mail server inside hears at once that this port is shut, and by whom. */
function closingChain(closed: ClosedPorts): { name: string; rules: string[] } {
  const rules = [...ports('tcp', closed.tcp), ...ports('udp', closed.udp)].map(
    (match) => `${match} counter reject with icmpx admin-prohibited comment "closed port"`,
  )
  return { name: `closed_${createHash('sha256').update(rules.join('\n')).digest('hex').slice(0, 12)}`, rules }
}

function ports(protocol: 'tcp' | 'udp', list: readonly number[]): string[] {
  const numbers = [...new Set(list)].toSorted((a, b) => a - b)
  return numbers.length === 0 ? [] : [`${protocol} dport { ${numbers.join(', ')} }`]
}
