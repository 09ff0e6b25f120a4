import { isIPv4, isIPv6 } from 'node:net'
import { ipv6ToBits } from '../network/ip.ts'

/** Who asked: `source` as the asker's side saw it, the hash of the browser's cookie where a browser asked. */
export interface AskerPlace {
  source: string
  /** A guest of embedded mode is dialled through its gateway: that address is the host's own loopback forward. */
  behindLoopbackForward: boolean
  cookieHash: string | null
}

/** The browser or terminal that signs, as the host sees it. */
export interface SignerPlace {
  address: string
  cookieHash: string | null
}

/** Where passt and SLIRP show the host's loopback to a guest. */
const userNetworkGateway = '10.0.2.2'

/**
 * Whether an approval may reach the asker by itself (design.md §8, "Against the sent link"): the browser that asked, or the
 * address that asked (IPv4 equal, IPv6 in one /64, loopback with loopback). Doubt is no.
 */
export function isDirect(asker: AskerPlace, signer: SignerPlace): boolean {
  if (asker.cookieHash !== null && asker.cookieHash === signer.cookieHash) return true
  const source = asker.behindLoopbackForward && asker.source === userNetworkGateway ? '127.0.0.1' : asker.source
  const [a, b] = [networkOf(source), networkOf(signer.address)]
  return a !== undefined && a === b
}

/** One name for all addresses that count as one place: the IPv4 address, the IPv6 /64, `loopback`. Undefined if it is no address. */
export function networkOf(text: string): string | undefined {
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1] ?? text
  if (isIPv4(plain)) return plain.startsWith('127.') ? 'loopback' : plain
  // a zone (`fe80::1%eth0`) names an interface of the other side: never equal to anything here
  if (!isIPv6(plain) || plain.includes('%') || plain.includes('.')) return undefined
  const bits = ipv6ToBits(plain)
  if (bits === 1n) return 'loopback'
  // link-local addresses share one /64 everywhere and say nothing about the place
  return bits >> 118n === 0x3fan ? undefined : `${(bits >> 64n).toString(16)}::/64`
}
