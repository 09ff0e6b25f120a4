import type { Cidr, Endpoint, InterfaceAddress } from 'wireguard-ts/address'
import type { PresharedKey, PrivateKey, PublicKey } from 'wireguard-ts/key'
import type { UnixSeconds } from '../clock/clock.ts'

declare const brand: unique symbol

/** Names one lease for ever: `l-` and 16 hex digits. Good as a file name and as a name inside nftables. */
export type LeaseId = string & { readonly [brand]: 'LeaseId' }

/** Who holds a lease: the installation id of `design.md` §5, 12 hex digits. */
export type Identity = string & { readonly [brand]: 'Identity' }

/** Destination ports that traffic from the lease's prefix to the Internet does not reach. */
export interface ClosedPorts {
  tcp: readonly number[]
  udp: readonly number[]
}

/** SMTP is shut until the broker's operator opens it for one lease. */
export const defaultClosedPorts: ClosedPorts = { tcp: [25], udp: [] }

/** What the data path must make true for one host. Leases that ended are not in the list: what is absent is taken away. */
export interface Lease {
  id: LeaseId
  identity: Identity
  /** /64, on request /56; in on-link mode longer. Never shared, never overlapping. */
  prefix: Cidr
  peerKey: PublicKey
  /** A secret: never in a log, an error, argv or a plan's text. */
  presharedKey?: PresharedKey
  closed: ClosedPorts
  /** Bytes a second, each direction for itself; absent = no cap. */
  rateCapBytesPerSecond?: number
  /** Traffic of a suspended lease is dropped in both directions; peer, route and session stay, so that lifting it is instant. */
  suspended: boolean
  from: UnixSeconds
  /** The end of the term paid or granted for. */
  until: UnixSeconds
  /** The lease works until here; whoever renews before loses nothing. */
  graceUntil: UnixSeconds
}

/** What the broker's machine offers; fixed while the process runs. */
export interface DataPathSettings {
  /** At most 15 characters, unique on the machine (sockets of userspace daemons are shared by all network namespaces). */
  interfaceName: string
  /** Interface towards the Internet. */
  uplink: string
  /** All that this broker may hand out. */
  pool: Cidr
  /** `routed`: the provider sends the pool to this machine. `on-link`: the pool lies on the uplink and is answered by NDP. */
  mode: 'routed' | 'on-link'
  /** The broker's own address inside the tunnel: what hosts ping and ask for names. It lies in the pool and is never leased. */
  ownAddress: InterfaceAddress
  listenPort: number
  privateKey: PrivateKey
  /** Inside the tunnel, bytes. */
  mtu: number
  /** Whether a VM of one host reaches VMs of another (under the rules of the Internet side). Default of the product: no. */
  hostToHost: boolean
  /** UDP and TCP ports of this machine that anybody may reach (WireGuard's own is added); SSH of the operator is one of them. */
  openPorts: ClosedPorts
}

/** One difference between what stands and what is wanted. */
export interface Change {
  part: 'nft' | 'route' | 'peer' | 'address' | 'ndp' | 'sysctl'
  action: 'add' | 'remove' | 'change'
  /** As the operator would write it (`ip -6 route add …`, `nft add element …`, UAPI lines), secrets left out. */
  text: string
  /** The lease it belongs to; absent for what belongs to the broker as a whole. */
  lease?: LeaseId
}

/** What passed for one lease. Totals only ever grow, also over restarts of the process (not of the machine). */
export interface LeaseCounters {
  lease: LeaseId
  /** From the host towards the Internet. */
  bytesOut: bigint
  /** From the Internet towards the host. */
  bytesIn: bigint
  /** The last WireGuard handshake; absent = none since the interface stands. */
  lastHandshakeAt?: UnixSeconds
  /** Where the peer was seen last. Personal data of the host: shown to the operator, never on a public page. */
  endpoint?: Endpoint
}

/**
 * The broker's packets: interface, peers, routes, nftables sets, NDP. Declarative and incremental: unchanged peers keep their
 * session. Calls are made one after another; a call that fails may be repeated with the same list.
 */
export interface DataPath {
  /**
   * Makes the machine equal to `state` and returns how much was changed: nobody reads thousands of changes, `plan` tells them. At boot it is the first thing that runs: firewall,
   * unreachable route of the pool, interface, peers, routes, sets, in this order, so that no packet of a lease is refused
   * that would be let through later. Throws AppError `broker-data-path-failed`.
   */
  apply(state: readonly Lease[]): Promise<number>
  /** What `apply` would change, nothing touched: the dry run. Needs the right to read only. */
  plan(state: readonly Lease[]): Promise<readonly Change[]>
  /** Of these leases. The store has them: the data path keeps no list of its own. */
  counters(state: readonly Lease[]): Promise<readonly LeaseCounters[]>
  /** Milliseconds until an address answered through the tunnel; undefined: not within 2 s. */
  probe(address: string): Promise<number | undefined>
  /** Ends our hold (watchers, connections). What stands on the machine goes on standing: packets do not need this process. */
  close(): Promise<void>
}
