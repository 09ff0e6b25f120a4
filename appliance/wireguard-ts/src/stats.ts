import type { PublicKey } from './key.ts'
import type { DeviceState, PeerState } from './uapi-codec.ts'

/** After this many seconds without a new handshake a session is over. Source: the WireGuard paper, Reject-After-Time. */
export const rejectAfterSeconds = 180

/** `never`: no handshake yet. `active`: one within 180 s. `stale`: the last one is older. */
export type SessionState = 'never' | 'active' | 'stale'

export interface PeerStats {
  publicKey: PublicKey
  state: SessionState
  /** Null: never. */
  handshakeAgeSeconds: number | null
  /** Since the last look; counters begin anew when a peer is added again, which counts as no difference lost. */
  receivedDelta: bigint
  sentDelta: bigint
  receivedBytes: bigint
  sentBytes: bigint
}

/** The state of a session at `now` (Unix seconds). A handshake in the future counts as one of now. */
export function sessionState(lastHandshakeSeconds: number, now: number): SessionState {
  if (lastHandshakeSeconds === 0) return 'never'
  return now - lastHandshakeSeconds < rejectAfterSeconds ? 'active' : 'stale'
}

/** Statistics of all peers, with differences to an earlier look at the same device. Pure. */
export function statsOf(state: DeviceState, now: number, before?: DeviceState): readonly PeerStats[] {
  const former = new Map(before?.peers.map((peer) => [peer.publicKey, peer]))
  return state.peers.map((peer) => {
    const earlier = former.get(peer.publicKey)
    return {
      publicKey: peer.publicKey,
      state: sessionState(peer.lastHandshakeSeconds, now),
      handshakeAgeSeconds: peer.lastHandshakeSeconds === 0 ? null : Math.max(0, now - peer.lastHandshakeSeconds),
      receivedDelta: delta(peer, earlier, 'receivedBytes'),
      sentDelta: delta(peer, earlier, 'sentBytes'),
      receivedBytes: peer.receivedBytes,
      sentBytes: peer.sentBytes,
    }
  })
}

function delta(peer: PeerState, earlier: PeerState | undefined, key: 'receivedBytes' | 'sentBytes'): bigint {
  return earlier === undefined || peer[key] < earlier[key] ? peer[key] : peer[key] - earlier[key]
}
