import type { Cidr, Endpoint } from 'wireguard-ts/address'
import type { PresharedKey, PublicKey } from 'wireguard-ts/key'
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
  /**
   * Gives a label of the grant's zone to an address of its prefix; without an address the label is taken back. Throws
   * `broker-name-refused` for what is taken or looks like another's.
   */
  name(grant: Grant, label: string, address?: string): Promise<void>
  /** Puts a proof for a certificate (RFC 8555 §8.4) below a label that this host holds; served when it resolves, for an hour. */
  prove(grant: Grant, label: string, value: string): Promise<void>
}

/** A grant and the address behind its endpoint, as it was found last. */
export interface OpenTunnel {
  grant: Grant
  endpoint: Endpoint
}

/** This host's side of tunnels, as the client sees it. Declarative. */
export interface TunnelHost {
  /** Public half of the key for a broker; the same at each call. */
  publicKey(brokerId: string): Promise<PublicKey>
  /** All tunnels there are to be; what is not named is taken away. */
  setTunnels(tunnels: readonly OpenTunnel[]): Promise<void>
  /** What VMs hear. */
  announce(announcements: readonly Announcement[]): Promise<void>
  /** Milliseconds until the broker's own address answered through its tunnel; undefined: not within 2 s. */
  probe(grant: Grant): Promise<number | undefined>
  /** Networks in use on this machine beside the leases. */
  ownNetworks(): Promise<readonly Cidr[]>
  lookUp(name: string): Promise<readonly string[]>
}

/** One tunnel as the root helper takes it: keys, addresses and numbers; names, rules and paths are its own. */
export interface TunnelSpec {
  /** 12 hex digits that stand for the broker, `tunnelIdOf`. */
  id: string
  prefix: Cidr
  publicKey: PublicKey
  presharedKey?: PresharedKey | undefined
  /** An address, never a name. */
  endpoint: Endpoint
  /** The broker inside the tunnel. */
  gateway: string
  /** Bytes inside the tunnel. */
  mtu: number
}

/** The part of the root helper that holds private keys and makes tunnels true. */
export interface RootTunnels {
  tunnelKey(argument: { id: string }): Promise<{ publicKey: string }>
  setTunnels(argument: { tunnels: readonly TunnelSpec[] }): Promise<void>
  announce(argument: { announcements: readonly Announcement[] }): Promise<void>
}

/** What must outlive a restart. Written before anything is changed on its ground. */
export interface TunnelStore {
  load(): Promise<readonly Tunnel[]>
  save(tunnels: readonly Tunnel[]): Promise<void>
}
