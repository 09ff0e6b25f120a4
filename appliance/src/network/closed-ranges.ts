import { bitsToIpv6, ipv4ToNumber, ipv6ToBits } from './ip.ts'

/** IPv4 that is nobody's on the Internet: private, CGNAT, link-local, loopback, documentation, benchmarks, multicast, reserved. */
export const closedIpv4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
] as const

/** IPv6 that is nobody's, and what wraps an IPv4 in it: mapped, NAT64 of closed ranges, Teredo, 6to4, ULA, link-local, multicast. */
export const closedIpv6 = [
  '::/96',
  '::ffff:0:0/96',
  '64:ff9b:1::/48',
  ...closedIpv4.map(nat64),
  '2001::/32',
  '2002::/16',
  'fc00::/7',
  'fe80::/9',
  'ff00::/8',
]

/** The well-known NAT64 form of an IPv4 range. Source: RFC 6052. */
function nat64(range: string): string {
  const [address = '', length = ''] = range.split('/')
  return `${bitsToIpv6(ipv6ToBits('64:ff9b::') | BigInt(ipv4ToNumber(address)))}/${96 + Number(length)}`
}
