import type { WireGuardDevice } from './device.ts'
import { WireGuardError } from './errors.ts'
import type { PresharedKey, PublicKey } from './key.ts'

/**
 * A peer's key is replaced without a lost packet: the new peer takes endpoint, networks and keepalive of the old in the same
 * `set` that removes the old, so the way back is known before the new key has spoken. Throws `bad-config` if the old peer is
 * not there or the new one is already.
 */
export async function rotatePeerKey(
  device: WireGuardDevice,
  from: PublicKey,
  to: { publicKey: PublicKey; presharedKey?: PresharedKey },
): Promise<void> {
  const { peers } = await device.read()
  const old = peers.find((peer) => peer.publicKey === from)
  if (old === undefined || peers.some((peer) => peer.publicKey === to.publicKey)) {
    throw new WireGuardError(
      'bad-config',
      `cannot replace ${from} by ${to.publicKey}`,
      'The old peer must be there and the new one must not.',
    )
  }
  await device.apply({
    peers: [
      { kind: 'remove', publicKey: from },
      {
        kind: 'add',
        publicKey: to.publicKey,
        allowedIps: old.allowedIps,
        ...(old.endpoint !== null && { endpoint: old.endpoint }),
        ...(to.presharedKey !== undefined && { presharedKey: to.presharedKey }),
        ...(old.persistentKeepaliveSeconds !== 0 && { persistentKeepaliveSeconds: old.persistentKeepaliveSeconds }),
      },
    ],
  })
}

/**
 * The preshared key of a session is replaced. The session under way goes on with the old one until its next handshake: change
 * it on both sides within two minutes and nothing is lost.
 */
export async function rotatePresharedKey(device: WireGuardDevice, peer: PublicKey, presharedKey: PresharedKey): Promise<void> {
  await device.apply({ peers: [{ kind: 'update', publicKey: peer, presharedKey }] })
}

/** Makes a client speak at once after its own key changed: keepalive off and on again sends a packet now. */
export async function speakNow(device: WireGuardDevice, peer: PublicKey, persistentKeepaliveSeconds: number): Promise<void> {
  await device.apply({ peers: [{ kind: 'update', publicKey: peer, persistentKeepaliveSeconds: 0 }] })
  await device.apply({ peers: [{ kind: 'update', publicKey: peer, persistentKeepaliveSeconds }] })
}
