import { endpointText, type Cidr, type Endpoint } from './address.ts'
import { WireGuardError } from './errors.ts'
import { keyToHex, publicKeyOf, secretTag, type PresharedKey, type PrivateKey, type PublicKey } from './key.ts'
import { find, readCidr, readCount, readEndpoint, readKey, readWhole, startsWith } from './uapi-bytes.ts'

/** One change of a peer. Absent fields stay as they are; `presharedKey: null` and keepalive 0 clear. */
export type PeerChange =
  | { kind: 'remove'; publicKey: PublicKey }
  | {
      /** `update` never creates: a peer that has gone meanwhile stays gone. */
      kind: 'add' | 'update'
      publicKey: PublicKey
      presharedKey?: PresharedKey | null
      endpoint?: Endpoint
      /** The whole list. */
      allowedIps?: readonly Cidr[]
      persistentKeepaliveSeconds?: number
    }

/** A change of a device: nothing in it ever replaces all peers at once. */
export interface DeviceChange {
  privateKey?: PrivateKey
  listenPort?: number
  /** 0 clears. */
  fwmark?: number
  peers: readonly PeerChange[]
}

/** A peer as the device tells it; its preshared key is replaced by a tag while parsing. */
export interface PeerState {
  publicKey: PublicKey
  /** `secretTag` of the preshared key, null without one. */
  presharedKeyTag: string | null
  endpoint: Endpoint | null
  allowedIps: readonly Cidr[]
  persistentKeepaliveSeconds: number
  /** Unix seconds; 0: never. */
  lastHandshakeSeconds: number
  receivedBytes: bigint
  sentBytes: bigint
}

export interface DeviceState {
  /** Null: no key is set yet. The private key itself is never kept. */
  publicKey: PublicKey | null
  listenPort: number
  fwmark: number
  peers: readonly PeerState[]
}

/** The text of one `set`. Source: the cross-platform interface of WireGuard ("xplatform"), set=1. */
export function encodeSet(change: DeviceChange): string {
  const lines = ['set=1']
  if (change.privateKey !== undefined) lines.push(`private_key=${keyToHex(change.privateKey)}`)
  if (change.listenPort !== undefined) lines.push(`listen_port=${change.listenPort}`)
  if (change.fwmark !== undefined) lines.push(`fwmark=${change.fwmark}`)
  // removals first: an allowed network must have left its former peer before another gets it
  for (const peer of change.peers.toSorted((a, b) => Number(b.kind === 'remove') - Number(a.kind === 'remove'))) {
    lines.push(`public_key=${keyToHex(peer.publicKey)}`)
    if (peer.kind === 'remove') {
      lines.push('remove=true')
      continue
    }
    if (peer.kind === 'update') lines.push('update_only=true')
    if (peer.presharedKey !== undefined) {
      lines.push(`preshared_key=${peer.presharedKey === null ? '0'.repeat(64) : keyToHex(peer.presharedKey)}`)
    }
    if (peer.endpoint !== undefined) lines.push(`endpoint=${endpointText(peer.endpoint)}`)
    if (peer.persistentKeepaliveSeconds !== undefined) {
      lines.push(`persistent_keepalive_interval=${peer.persistentKeepaliveSeconds}`)
    }
    if (peer.allowedIps !== undefined) {
      lines.push('replace_allowed_ips=true', ...peer.allowedIps.map((network) => `allowed_ip=${network}`))
    }
  }
  // the interface reads to a blank line: a line break inside a value would begin a request of its own
  if (lines.some((line) => /[\r\n\0]/.test(line))) {
    throw new WireGuardError('bad-config', 'a value holds a line break', 'Remove it: it would begin another setting.')
  }
  return `${lines.join('\n')}\n\n`
}

/** What `get=1` answers. Throws `protocol`, `bad-key`, `bad-address`, `bad-endpoint` at the first line that no device says. */
export function decodeGet(text: string): DeviceState {
  const decoder = new GetDecoder()
  decoder.push(Buffer.from(text, 'latin1'))
  return decoder.end()
}

/**
 * The same while it still arrives: a daemon takes as long to write thousands of peers as we take to read them, so both work at the
 * same time, and no text of megabytes is held.
 */
export class GetDecoder {
  readonly #peers: Building[] = []
  readonly #device: { -readonly [K in Exclude<keyof DeviceState, 'peers'>]: DeviceState[K] } = {
    publicKey: null,
    listenPort: 0,
    fwmark: 0,
  }
  #errno = 0
  #rest: Buffer | undefined
  /** Where the last line's setting stands in the list: settings come in the same order for each peer. */
  #place = 0

  /** `part` is the caller's again afterwards. */
  push(part: Buffer): void {
    const bytes = this.#rest === undefined ? part : Buffer.concat([this.#rest, part])
    let from = 0
    for (let end = find(bytes, lineEnd, 0, bytes.length); end !== -1; end = find(bytes, lineEnd, from, bytes.length)) {
      if (end > from) this.#line(bytes, from, end)
      from = end + 1
    }
    this.#rest = from === bytes.length ? undefined : Buffer.from(bytes.subarray(from))
  }

  end(): DeviceState {
    if (this.#rest !== undefined) this.push(Buffer.from('\n'))
    if (this.#errno !== 0) throw protocol(`the device answered errno ${this.#errno}`)
    return { ...this.#device, peers: this.#peers }
  }

  #line(bytes: Buffer, from: number, end: number): void {
    for (let tried = 0; tried < settings.length; tried += 1) {
      this.#place = this.#place === settings.length - 1 ? 0 : this.#place + 1
      const setting = settings[this.#place]
      if (setting === undefined || !startsWith(bytes, from, end, setting.word)) continue
      return this.#take(setting.name, bytes, from + setting.word.length, end)
    }
    // keys of newer versions are no fault
    if (find(bytes, equals, from, end) <= from) throw protocol(`a line without a key (${end - from} characters)`)
  }

  #take(name: Setting, bytes: Buffer, from: number, end: number): void {
    switch (name) {
      case 'public_key':
        this.#peers.push(newPeer((readKey(bytes, from, end) ?? zeroKey) as PublicKey))
        return
      case 'private_key': {
        const value = readKey(bytes, from, end)
        this.#device.publicKey = value === null ? null : publicKeyOf(value as PrivateKey)
        return
      }
      case 'listen_port':
        this.#device.listenPort = readWhole(bytes, from, end)
        return
      case 'fwmark':
        this.#device.fwmark = readWhole(bytes, from, end)
        return
      case 'errno':
        this.#errno = readWhole(bytes, from, end)
        return
      default: {
        const peer = this.#peers.at(-1)
        if (peer !== undefined) takeOfPeer(peer, name, bytes, from, end)
      }
    }
  }
}

function takeOfPeer(peer: Building, name: Setting, bytes: Buffer, from: number, end: number): void {
  switch (name) {
    case 'preshared_key': {
      const value = readKey(bytes, from, end)
      peer.presharedKeyTag = value === null ? null : secretTag(value as PresharedKey)
      return
    }
    case 'endpoint':
      peer.endpoint = readEndpoint(bytes, from, end)
      return
    case 'allowed_ip':
      peer.allowedIps.push(readCidr(bytes, from, end))
      return
    case 'persistent_keepalive_interval':
      peer.persistentKeepaliveSeconds = readWhole(bytes, from, end)
      return
    case 'last_handshake_time_sec':
      peer.lastHandshakeSeconds = readWhole(bytes, from, end)
      return
    case 'rx_bytes':
      peer.receivedBytes = readCount(bytes, from, end)
      return
    case 'tx_bytes':
      peer.sentBytes = readCount(bytes, from, end)
      return
    default:
    // says nothing that is asked for here
  }
}

const [lineEnd, equals] = [10, 61]
const zeroKey = Buffer.alloc(32).toString('base64')

/** In the order in which wireguard-go writes them; those that say nothing here stand for their place. */
const settingNames = [
  'private_key',
  'listen_port',
  'fwmark',
  'public_key',
  'preshared_key',
  'protocol_version',
  'endpoint',
  'last_handshake_time_sec',
  'last_handshake_time_nsec',
  'tx_bytes',
  'rx_bytes',
  'persistent_keepalive_interval',
  'allowed_ip',
  'errno',
] as const

type Setting = (typeof settingNames)[number]

const settings = settingNames.map((name) => ({ name, word: Buffer.from(`${name}=`) }))

type Building = { -readonly [K in keyof PeerState]: PeerState[K] } & { allowedIps: Cidr[] }

/** A peer that has been named and nothing else. */
export function newPeer(publicKey: PublicKey): Building {
  return {
    publicKey,
    presharedKeyTag: null,
    endpoint: null,
    allowedIps: [],
    persistentKeepaliveSeconds: 0,
    lastHandshakeSeconds: 0,
    receivedBytes: 0n,
    sentBytes: 0n,
  }
}

function protocol(message: string): WireGuardError {
  return new WireGuardError('protocol', `the WireGuard interface said ${message}`, 'Check the version of the daemon.')
}
