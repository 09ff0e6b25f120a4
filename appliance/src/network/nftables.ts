import { closedIpv4, closedIpv6 } from './closed-ranges.ts'
import { bridgeName, linkLocalOf, tapPrefix } from './guest-addresses.ts'
import { ipv6ToBits } from './ip.ts'

/** One guest as the rules see it. */
export interface GuestPort {
  tap: string
  mac: string
  ipv4: string
  ipv6: string | null
  /** What it makes itself in announced prefixes. */
  more6?: readonly string[]
  /** TCP port of the host that leads to its port 22. */
  sshPort: number | null
  /** Connections to its port 22 that were opened under another number than this are cut. */
  epoch: number
}

/** All that the rules depend on. */
export interface Firewall {
  gateway: string
  ipv4Net: string
  guests: readonly GuestPort[]
  /** Ranges that the operator opened. */
  open4: readonly string[]
  open6: readonly string[]
  /** Networks of the host itself: what its uplinks are in. */
  own4: readonly string[]
  own6: readonly string[]
  /** Prefixes are announced: guests may ask for it at once. */
  announced?: boolean
}

/** Where guests log in, on the gateway's address. */
export const loginPort = 7443

/**
 * The rules as one transaction for `nft -f -`: our two tables anew, nothing else touched. Two tables since a bridge sees frames
 * before the host's IP does: `bridge freehold` says who may send what, `inet freehold` says where it may go.
 */
export function nftables(wall: Firewall): string {
  const guests = wall.guests.toSorted((a, b) => (a.tap < b.tap ? -1 : 1))
  return `${[
    // declared and deleted in the same transaction: right whether they were there or not
    'table bridge freehold',
    'delete table bridge freehold',
    'table inet freehold',
    'delete table inet freehold',
    bridgeTable(guests),
    inetTable(wall, guests),
  ].join('\n')}\n`
}

/** Takes our tables away, whether they are there or not. */
export const noNftables = ['bridge', 'inet'].map((f) => `table ${f} freehold\ndelete table ${f} freehold\n`).join('')

function bridgeTable(guests: readonly GuestPort[]): string {
  return `table bridge freehold {
${guests.map(guestChain).join('')}  chain ingress {
    type filter hook prerouting priority -300; policy accept;
    ${guests.length === 0 ? '' : `iifname vmap { ${guests.map((g) => `"${g.tap}" : jump ${g.tap}`).join(', ')} }\n    `}iifname "${tapPrefix}*" counter drop
  }
  chain between {
    type filter hook forward priority -300; policy accept;
    iifname "${tapPrefix}*" oifname "${tapPrefix}*" counter drop
  }
}`
}

/** What one guest may send: its own MAC, addresses and neighbour messages. The last rule drops whatever was not named. */
function guestChain({ tap, mac, ipv4, ipv6, more6 = [] }: GuestPort): string {
  const addresses = [linkLocalOf(mac), ...(ipv6 === null ? [] : [ipv6]), ...more6]
  const targets = addresses.map((address) => `0x${ipv6ToBits(address).toString(16).padStart(32, '0')}`)
  return `  chain ${tap} {
    ether saddr != ${mac} counter drop comment "mac"
    ether type arp arp operation { request, reply } arp saddr ether ${mac} arp saddr ip ${ipv4} accept
    ether type arp counter drop comment "arp"
    ether type ip ip saddr ${ipv4} udp sport 67 counter drop comment "dhcp"
    ether type ip ip saddr ${ipv4} accept
    ether type ip counter drop comment "ipv4"
    ether type ip6 icmpv6 type { nd-router-advert, nd-redirect } counter drop comment "ra"
    ether type ip6 icmpv6 type nd-neighbor-advert @th,64,128 != { ${targets.join(', ')} } counter drop comment "nd"
    ether type ip6 udp sport 547 counter drop comment "dhcp"
    ether type ip6 ip6 saddr { ${addresses.join(', ')} } accept
    ether type ip6 ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld2-listener-report } accept
    ether type ip6 counter drop comment "ipv6"
    counter drop comment "other"
  }
`
}

function inetTable(wall: Firewall, guests: readonly GuestPort[]): string {
  const forwards = guests.filter((g) => g.sshPort !== null).map((g) => `${g.sshPort} : ${g.ipv4} . 22`)
  const six = guests.flatMap((g) =>
    [...(g.ipv6 === null ? [] : [g.ipv6]), ...(g.more6 ?? [])].map((ipv6) => ({ ipv6, epoch: g.epoch })),
  )
  const asked = `nd-neighbor-solicit, nd-neighbor-advert${wall.announced === true ? ', nd-router-solicit' : ''}`
  return `table inet freehold {
${[
  map('forwards', 'inet_service : ipv4_addr . inet_service', forwards),
  map(
    'epoch4',
    'ipv4_addr : mark',
    guests.map((g) => `${g.ipv4} : ${g.epoch}`),
  ),
  set(
    'live4',
    'ipv4_addr . mark',
    guests.map((g) => `${g.ipv4} . ${g.epoch}`),
  ),
  map(
    'epoch6',
    'ipv6_addr : mark',
    six.map((g) => `${g.ipv6} : ${g.epoch}`),
  ),
  set(
    'live6',
    'ipv6_addr . mark',
    six.map((g) => `${g.ipv6} . ${g.epoch}`),
  ),
  set('open4', 'ipv4_addr', wall.open4, true),
  set('open6', 'ipv6_addr', wall.open6, true),
  set('closed4', 'ipv4_addr', [...closedIpv4, ...wall.own4], true),
  set('closed6', 'ipv6_addr', [...closedIpv6, ...wall.own6], true),
].join('\n')}
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname != "${bridgeName}" fib daddr type local dnat ip to tcp dport map @forwards
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${wall.ipv4Net} oifname != "${bridgeName}" masquerade
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname != { "lo", "${bridgeName}" } ip daddr ${wall.gateway} counter drop
    iifname "${bridgeName}" jump from_guest_to_host
  }
  chain from_guest_to_host {
    ct state established,related accept
    icmpv6 type { ${asked} } accept
    ip daddr ${wall.gateway} tcp dport { 53, ${loginPort} } accept
    ip daddr ${wall.gateway} udp dport 53 accept
    counter drop comment "host"
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname "${bridgeName}" iifname "${bridgeName}" counter drop comment "tenants"
    oifname "${bridgeName}" tcp dport 22 ct direction original jump ssh_in
    iifname "${bridgeName}" tcp sport 22 ct direction reply jump ssh_out
    iifname "${bridgeName}" jump from_guest
    oifname "${bridgeName}" jump to_guest
  }
  # a connection keeps the number it was opened under; when the VM's number changes, both ends hear that it is over: the kernel
  # has forgotten it by then, if the guest spoke first
  chain ssh_in {
    ct state new tcp flags & (fin | syn | rst | ack) != syn counter reject with tcp reset comment "cut"
    ct state new meta nfproto ipv4 ct status dnat ct mark set ip daddr map @epoch4
    ct state new meta nfproto ipv6 ct mark set ip6 daddr map @epoch6
    ip daddr . ct mark @live4 accept
    ip6 daddr . ct mark @live6 accept
    counter reject with tcp reset comment "cut"
  }
  chain ssh_out {
    ip saddr . ct mark @live4 accept
    ip6 saddr . ct mark @live6 accept
    counter reject with tcp reset comment "cut"
  }
  chain from_guest {
    ct state established,related accept
    ct state invalid drop
    meta l4proto tcp ct state new tcp flags & (fin | syn | rst | ack) != syn drop
    ip daddr @open4 accept
    ip6 daddr @open6 accept
    ip daddr @closed4 counter drop comment "private"
    ip6 daddr @closed6 counter drop comment "private"
    accept
  }
  chain to_guest {
    ct state established,related accept
    meta l4proto tcp ct state new tcp flags & (fin | syn | rst | ack) != syn drop
    meta nfproto ipv6 accept
    counter drop comment "from outside"
  }
}`
}

function map(name: string, type: string, elements: readonly string[]): string {
  return named('map', name, type, elements, false)
}

function set(name: string, type: string, elements: readonly string[], interval = false): string {
  return named('set', name, type, elements, interval)
}

function named(kind: string, name: string, type: string, elements: readonly string[], interval: boolean): string {
  // ranges may overlap: the host's own network may be a private one
  const flags = interval ? '\n    flags interval\n    auto-merge' : ''
  const members = elements.length === 0 ? '' : `\n    elements = { ${elements.join(', ')} }`
  return `  ${kind} ${name} {\n    type ${type}${flags}${members}\n  }`
}
