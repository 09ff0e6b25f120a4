import { isIPv4, isIPv6 } from 'node:net'
import { ipv6ToBits } from '../network/ip.ts'

/** Who asked: `source` as the asker's side saw it, the hash of the browser's cookie where a browser asked. */
export interface AskerPlace {
  source: string
  /** A guest of embedded mode is dialled through its gateway: that address is the host's own loopback forward. */
  behindLoopbackForward: boolean
  /** `source` is what a guest's sshd saw: its own loopback, where tunnels and its other users come from, is no place of the host's. */
  seenInGuest: boolean
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
 * address that asked (IPv4 equal, IPv6 in one /64, loopback with loopback). `loopbackIsShared`: somebody else's VM speaks from the
 * host's loopback too, so that address says nothing. Doubt is no.
 */
export function isDirect(asker: AskerPlace, signer: SignerPlace, loopbackIsShared: boolean): boolean {
  if (asker.cookieHash !== null && asker.cookieHash === signer.cookieHash) return true
  const isForward = asker.behindLoopbackForward && asker.source === userNetworkGateway
  const [a, b] = [isForward ? 'loopback' : networkOf(asker.source), networkOf(signer.address)]
  if (a === 'loopback' && (loopbackIsShared || (asker.seenInGuest && !isForward))) return false
  return a !== undefined && a === b
}

/**
 * Whether VMs of other wallets than `wallet` (null: of any) run behind the host's loopback: in user networking each of them can
 * dial it. A VM whose subscription has ended runs until the end is final: nobody's, so another's.
 */
export function othersOnLoopback(facts: LoopbackFacts, wallet: string | null): boolean {
  return [...facts.vms.values()].some(({ installation, tokenId }) => {
    const contract = facts.contracts.find(({ latest }) => latest.installation === installation)
    const holder = contract?.latest.subscriptions.get(tokenId)?.holder.toLowerCase()
    return holder === undefined || holder !== wallet?.toLowerCase()
  })
}

/** The VMs that are there, and who holds their passes at the newest block. */
interface LoopbackFacts {
  vms: ReadonlyMap<string, { installation: string; tokenId: bigint }>
  contracts: readonly { latest: { installation: string; subscriptions: ReadonlyMap<bigint, { holder: string }> } }[]
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
