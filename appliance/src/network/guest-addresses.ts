import { createHash } from 'node:crypto'
import { bitsToIpv6, ipv6ToBits } from './ip.ts'

/** The guests' bridge. */
export const bridgeName = 'fhbr0'
/** Every tap of ours begins so, and nothing else does. */
export const tapPrefix = 'fhv-'
/** The host on the guests' bridge, in IPv6: their gateway. */
export const gatewayLinkLocal = 'fe80::1'

/**
 * The tap of a VM: prefix and 44 bits of SHA-256 over `<installation>/<tokenId>`, since the kernel takes 15 characters only.
 * The helper refuses a set in which two are alike.
 */
export function tapNameOf(vm: { installation: string; tokenId: bigint | string }): string {
  return tapPrefix + createHash('sha256').update(`${vm.installation}/${vm.tokenId}`).digest('hex').slice(0, 11)
}

/** The one link-local address that a guest with this MAC may use. Source: RFC 4291, appendix A (modified EUI-64). */
export function linkLocalOf(mac: string): string {
  const [a, b, c, d, e, f] = mac.split(':').map((part) => parseInt(part, 16)) as [number, number, number, number, number, number]
  const bytes = [a ^ 2, b, c, 0xff, 0xfe, d, e, f]
  return bitsToIpv6(ipv6ToBits('fe80::') | bytes.reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n))
}

/**
 * The address that a guest with this MAC makes itself in an announced prefix: the first /64 of it and the interface id of
 * `linkLocalOf`. Undefined for a prefix that is longer, in which nobody can make one. Source: RFC 4862 §5.5.3 (d).
 */
export function autonomousOf(prefix: string, mac: string): string | undefined {
  const [address = '', length = ''] = prefix.split('/')
  if (Number(length) > 64) return undefined
  return bitsToIpv6(ipv6ToBits(address) | (ipv6ToBits(linkLocalOf(mac)) & 0xffff_ffff_ffff_ffffn))
}

/** The /64 of a prefix that guests hear of: its first. */
export function announcedOf(prefix: string): string {
  const [address = '', length = ''] = prefix.split('/')
  return Number(length) >= 64 ? prefix : `${address}/64`
}
