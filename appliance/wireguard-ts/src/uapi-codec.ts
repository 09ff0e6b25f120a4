import { endpointText, parseCidr, parseEndpoint, type Cidr, type Endpoint } from './address.ts'
import { WireGuardError } from './errors.ts'
import { hexToBase64, keyToHex, publicKeyOf, secretTag, type PresharedKey, type PrivateKey, type PublicKey } from './key.ts'

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

/** What `get=1` answers, without its last blank line. Throws `protocol` for anything unknown in shape. */
export function decodeGet(text: string): DeviceState {
  const decoder = new GetDecoder()
  decoder.push(text)
  return decoder.end()
}

/**
 * The same while it still arrives: a daemon takes as long to write thousands of peers as we take to read them, so both work at the
 * same time, and no text of megabytes is held. Throws `protocol` at the first line that is none.
 */
export class GetDecoder {
  readonly #peers: Building[] = []
  readonly #device: { -readonly [K in Exclude<keyof DeviceState, 'peers'>]: DeviceState[K] } = {
    publicKey: null,
    listenPort: 0,
    fwmark: 0,
  }
  #errno = 0
  #rest = ''

  push(part: string): void {
    const text = this.#rest === '' ? part : this.#rest + part
    let from = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      if (end > from) this.#line(text, from, end)
      from = end + 1
    }
    this.#rest = text.slice(from)
  }

  end(): DeviceState {
    if (this.#rest !== '') this.push('\n')
    if (this.#errno !== 0) throw protocol(`the device answered errno ${this.#errno}`)
    return { ...this.#device, peers: this.#peers }
  }

  #line(text: string, from: number, end: number): void {
    const cut = text.indexOf('=', from)
    if (cut <= from || cut > end) throw protocol(`a line without a key (${end - from} characters)`)
    const key = text.slice(from, cut)
    const field = peerFields.get(key)
    const peer = this.#peers.at(-1)
    if (peer !== undefined && field !== undefined) return field(peer, text.slice(cut + 1, end))
    switch (key) {
      case 'public_key':
        this.#peers.push(newPeer(hexToBase64(text.slice(cut + 1, end)) as PublicKey))
        return
      case 'private_key': {
        const value = text.slice(cut + 1, end)
        this.#device.publicKey = /^0+$/.test(value) ? null : publicKeyOf(hexToBase64(value) as PrivateKey)
        return
      }
      case 'listen_port':
        this.#device.listenPort = whole(text.slice(cut + 1, end))
        return
      case 'fwmark':
        this.#device.fwmark = whole(text.slice(cut + 1, end))
        return
      case 'errno':
        this.#errno = whole(text.slice(cut + 1, end))
        return
      default:
      // keys of newer versions are no fault
    }
  }
}

type Building = { -readonly [K in keyof PeerState]: PeerState[K] } & { allowedIps: Cidr[] }

function newPeer(publicKey: PublicKey): Building {
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

const noKey = '0'.repeat(64)

function count(text: string): bigint {
  return text === '0' ? 0n : BigInt(text)
}

const peerFields = new Map<string, (peer: Building, value: string) => void>(
  Object.entries({
    preshared_key: (peer: Building, value: string) =>
      void (peer.presharedKeyTag = value === noKey ? null : secretTag(hexToBase64(value) as PresharedKey)),
    endpoint: (peer: Building, value: string) => void (peer.endpoint = parseEndpoint(value)),
    allowed_ip: (peer: Building, value: string) => void peer.allowedIps.push(parseCidr(value)),
    persistent_keepalive_interval: (peer: Building, value: string) => void (peer.persistentKeepaliveSeconds = whole(value)),
    last_handshake_time_sec: (peer: Building, value: string) => void (peer.lastHandshakeSeconds = whole(value)),
    rx_bytes: (peer: Building, value: string) => void (peer.receivedBytes = count(value)),
    tx_bytes: (peer: Building, value: string) => void (peer.sentBytes = count(value)),
  } satisfies Record<string, (peer: Building, value: string) => void>),
)

function whole(text: string): number {
  if (text === '0') return 0
  const value = Number(text)
  // thousands of peers at every look: the comparison is cheaper than a pattern
  if (!Number.isSafeInteger(value) || value < 0 || String(value) !== text) throw protocol('a number that is none')
  return value
}

function protocol(message: string): WireGuardError {
  return new WireGuardError('protocol', `the WireGuard interface said ${message}`, 'Check the version of the daemon.')
}
