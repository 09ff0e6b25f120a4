import type { WireGuardDevice } from '../device.ts'
import { WireGuardError } from '../errors.ts'
import { publicKeyOf, secretTag, type PublicKey } from '../key.ts'
import { encodeSet, newPeer, type DeviceChange, type DeviceState, type PeerState } from '../uapi-codec.ts'

/** A peer with this preshared state never answers: its endpoint's host is this name. Everybody can see a silent peer by hand. */
export const sentinelSilentPeer = 'sentinel-silent-peer'
/** An endpoint with this host makes the device refuse the change after having applied what stood before it. */
export const sentinelRefuses = 'sentinel-refuses'

/** Every WireGuard device of one fake machine or network, with a clock of its own. */
export class FakeWireGuard {
  readonly #devices = new Map<string, FakeDevice>()
  #nowSeconds: number

  constructor(nowSeconds = 1_800_000_000) {
    this.#nowSeconds = nowSeconds
  }

  get nowSeconds(): number {
    return this.#nowSeconds
  }

  /** Time passes. Handshakes age; sessions with keepalive shake hands again. */
  advance(seconds: number): void {
    this.#nowSeconds += seconds
    for (const device of this.#devices.values()) device.tick()
  }

  device(name: string): FakeDevice {
    const found = this.#devices.get(name) ?? new FakeDevice(this)
    this.#devices.set(name, found)
    return found
  }

  /** The device whose public key this is. */
  owner(publicKey: PublicKey): FakeDevice | undefined {
    return [...this.#devices.values()].find((device) => device.publicKey === publicKey)
  }

  /** The machine is switched off and on: nothing of run time is left. */
  reboot(name: string): void {
    this.#devices.delete(name)
  }
}

/** A device of the fake world: it keeps state as the real ones do, including what they do in silence. */
export class FakeDevice implements WireGuardDevice {
  readonly #world: FakeWireGuard
  publicKey: PublicKey | null = null
  #listenPort = 0
  #fwmark = 0
  #up = true
  readonly #peers = new Map<PublicKey, PeerState>()
  /** Every request as the real device would read it, for assertions; secrets are in it, as it is all fake. */
  readonly requests: string[] = []

  constructor(world: FakeWireGuard) {
    this.#world = world
  }

  /** As a killed daemon: nothing answers until `start`. */
  crash(): void {
    this.#up = false
    this.#peers.clear()
    this.publicKey = null
  }

  start(): void {
    this.#up = true
  }

  async read(): Promise<DeviceState> {
    this.#check()
    const state = { publicKey: this.publicKey, listenPort: this.#listenPort, fwmark: this.#fwmark }
    return Promise.resolve({ ...state, peers: [...this.#peers.values()] })
  }

  async apply(change: DeviceChange): Promise<void> {
    this.#check()
    this.requests.push(encodeSet(change))
    if (change.privateKey !== undefined) this.publicKey = publicKeyOf(change.privateKey)
    if (change.listenPort !== undefined) this.#listenPort = change.listenPort
    if (change.fwmark !== undefined) this.#fwmark = change.fwmark
    for (const peer of change.peers.toSorted((a, b) => Number(b.kind === 'remove') - Number(a.kind === 'remove')))
      this.#applyPeer(peer)
    this.tick()
    return Promise.resolve()
  }

  #applyPeer(change: DeviceChange['peers'][number]): void {
    const { publicKey } = change
    if (change.kind === 'remove') return void this.#peers.delete(publicKey)
    const old = this.#peers.get(publicKey)
    // the real device ignores its own key and an update of a stranger in silence
    if (publicKey === this.publicKey || (change.kind === 'update' && old === undefined)) return
    if (change.endpoint?.host === sentinelRefuses) {
      throw new WireGuardError(
        'interface-refused',
        'the WireGuard interface refused the change (errno 22)',
        'Read what stands, then apply what is missing.',
      )
    }
    const base: PeerState = old ?? newPeer(publicKey)
    const { presharedKey, endpoint, allowedIps, persistentKeepaliveSeconds } = change
    this.#peers.set(publicKey, {
      ...base,
      ...(presharedKey !== undefined && { presharedKeyTag: presharedKey === null ? null : secretTag(presharedKey) }),
      ...(endpoint !== undefined && { endpoint }),
      ...(allowedIps !== undefined && { allowedIps }),
      ...(persistentKeepaliveSeconds !== undefined && { persistentKeepaliveSeconds }),
    })
    // a network that one peer gets silently leaves the one that had it
    for (const [other, state] of this.#peers) {
      if (other === publicKey || allowedIps === undefined) continue
      const kept = state.allowedIps.filter((network) => !allowedIps.includes(network))
      if (kept.length !== state.allowedIps.length) this.#peers.set(other, { ...state, allowedIps: kept })
    }
  }

  /** Sessions with keepalive and an endpoint shake hands with a peer that knows them. */
  tick(): void {
    for (const [key, peer] of this.#peers) {
      const other = this.#world.owner(key)
      const reachable = peer.endpoint !== null && peer.endpoint.host !== sentinelSilentPeer && other !== undefined && other.#up
      if (this.publicKey === null || !reachable || peer.persistentKeepaliveSeconds === 0) continue
      const back = other.#peers.get(this.publicKey)
      if (back === undefined || back.presharedKeyTag !== peer.presharedKeyTag) continue
      const now = this.#world.nowSeconds
      this.#peers.set(key, {
        ...peer,
        lastHandshakeSeconds: now,
        sentBytes: peer.sentBytes + 148n,
        receivedBytes: peer.receivedBytes + 92n,
      })
      other.#peers.set(this.publicKey, {
        ...back,
        lastHandshakeSeconds: now,
        sentBytes: back.sentBytes + 92n,
        receivedBytes: back.receivedBytes + 148n,
      })
    }
  }

  #check(): void {
    if (!this.#up) throw new WireGuardError('interface-missing', 'no daemon answers', 'Start the daemon of the interface.')
  }
}
