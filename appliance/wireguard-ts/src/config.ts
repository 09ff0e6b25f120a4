import { endpointText, NetworkIndex, type Cidr, type Endpoint, type InterfaceAddress } from './address.ts'
import { WireGuardError } from './errors.ts'
import { publicKeyOf, type PresharedKey, type PrivateKey, type PublicKey } from './key.ts'

/** One peer as wanted. Absent means: not set (no preshared key, no endpoint of our own knowledge, no keepalive). */
export interface Peer {
  publicKey: PublicKey
  presharedKey?: PresharedKey
  /** Where to reach it. Absent: learned from the peer's own packets, and left alone. */
  endpoint?: Endpoint
  /** Packets from and to these networks belong to this peer; the whole list. */
  allowedIps: readonly Cidr[]
  /** Seconds, 1-65535. */
  persistentKeepaliveSeconds?: number
}

/** The WireGuard half of an interface as wanted. */
export interface DeviceConfig {
  privateKey: PrivateKey
  /** UDP port; absent: one that the system picks, and left alone. */
  listenPort?: number
  fwmark?: number
  peers: readonly Peer[]
}

/** A whole interface as wanted: the device, its addresses and MTU, and the routes that are ours. */
export interface InterfaceConfig extends DeviceConfig {
  addresses: readonly InterfaceAddress[]
  /** Bytes, 1280-65535. Absent: 1420. */
  mtu?: number
  /** Routes through the interface. Absent: one for each allowed network but the default routes. */
  routes?: readonly Cidr[]
}

export const defaultMtu = 1420

export interface CheckOptions {
  /** Networks inside another peer's network are meant (a more special route). Equal ones never are. */
  overlapsMeant?: boolean
}

/**
 * Throws `bad-config` for what the device would take in silence and do something else with: the same range at two peers (the
 * later one silently takes it), a peer twice, a peer with the device's own key, a port or time out of range.
 */
export function checkDevice(config: DeviceConfig, options: CheckOptions = {}): void {
  const own = publicKeyOf(config.privateKey)
  const seen = new Set<PublicKey>()
  inRange('listen port', config.listenPort, 0, 65535)
  inRange('firewall mark', config.fwmark, 0, 0xffffffff)
  for (const peer of config.peers) {
    if (peer.publicKey === own) {
      throw refusal(`the peer ${peer.publicKey} has the key of the interface itself`, 'Use the public key of the other side.')
    }
    if (seen.has(peer.publicKey)) throw refusal(`the peer ${peer.publicKey} stands twice`, 'Put its networks into one peer.')
    seen.add(peer.publicKey)
    inRange('persistent keepalive', peer.persistentKeepaliveSeconds, 0, 65535)
  }
  checkOverlaps(config.peers, options)
}

function checkOverlaps(peers: readonly Peer[], { overlapsMeant = false }: CheckOptions): void {
  const all = peers.flatMap(({ publicKey, allowedIps }) => allowedIps.map((network) => ({ publicKey, network })))
  const byLength = all.toSorted((a, b) => lengthOf(a.network) - lengthOf(b.network))
  const index = new NetworkIndex()
  for (const { publicKey, network } of byLength) {
    const found = index.ownerOf(network)
    const clash =
      found !== undefined && (found.owner !== publicKey ? !overlapsMeant || found.network === network : found.network === network)
    if (found !== undefined && clash) {
      throw refusal(
        `${network} of ${publicKey} lies in ${found.network} of ${found.owner}`,
        'Give each network to one peer: the second would silently take it from the first.',
      )
    }
    index.add(network, publicKey)
  }
}

/** The routes an interface gets: those named, else the peers' networks without default routes. */
export function routesOf(config: InterfaceConfig): readonly Cidr[] {
  return config.routes ?? config.peers.flatMap((peer) => peer.allowedIps).filter((network) => lengthOf(network) > 0)
}

/** One line about a peer for logs: no secret in it. */
export function peerText(peer: Peer): string {
  return `${peer.publicKey}${peer.endpoint === undefined ? '' : ` at ${endpointText(peer.endpoint)}`} for ${peer.allowedIps.join(', ')}`
}

/** An interface name that the kernel and every tool takes: 1-15 characters, nothing that a path or a shell knows. */
export function parseInterfaceName(text: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,14}$/.test(text)) {
    throw new WireGuardError(
      'bad-name',
      `${JSON.stringify(text.slice(0, 40))} is no interface name`,
      'Use 1-15 letters, digits, - and _, a letter first.',
    )
  }
  return text
}

function inRange(what: string, value: number | undefined, from: number, to: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= from && value <= to)) return
  throw refusal(`the ${what} ${value} is not between ${from} and ${to}`, 'Correct the number.')
}

function refusal(message: string, hint: string): WireGuardError {
  return new WireGuardError('bad-config', message, hint)
}

function lengthOf(network: Cidr): number {
  return Number(network.slice(network.indexOf('/') + 1))
}
