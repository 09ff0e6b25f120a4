import type { PublicKey } from 'wireguard-ts/key'
import type { Cidr } from 'wireguard-ts/address'
import type { Announcement } from './announcements.ts'
import type { BrokerOffer } from './choice.ts'
import type { Grant } from './grant.ts'
import type { Tunnel } from './tunnel-state.ts'

/** The brokers, by registry and by signed HTTP: two ways, one answer. Every verb may be repeated. Throws AppError. */
export interface BrokerService {
  offers(): Promise<readonly BrokerOffer[]>
  /** The answer may take until the giving depth of the chain. */
  request(offer: BrokerOffer, ask: { publicKey: PublicKey; prefixLength: 56 | 64 }): Promise<Grant>
  renew(grant: Grant): Promise<Grant>
  release(grant: Grant): Promise<void>
}

/** The host's side of tunnels: the root helper, which alone holds the private key. Declarative. */
export interface TunnelHost {
  /** Public half of the key for a broker; the same at each call. */
  publicKey(brokerId: string): Promise<PublicKey>
  /** All tunnels there are to be; what is not named is taken away. */
  setTunnels(grants: readonly Grant[]): Promise<void>
  /** What VMs hear. */
  announce(announcements: readonly Announcement[]): Promise<void>
  /** Milliseconds until the broker's own address answered through its tunnel; undefined: not within 2 s. */
  probe(grant: Grant): Promise<number | undefined>
  /** Networks in use on this machine beside the leases. */
  ownNetworks(): Promise<readonly Cidr[]>
  lookUp(name: string): Promise<readonly string[]>
}

/** What must outlive a restart. Written before anything is changed on its ground. */
export interface TunnelStore {
  load(): Promise<readonly Tunnel[]>
  save(tunnels: readonly Tunnel[]): Promise<void>
}
