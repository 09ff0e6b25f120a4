import { canonicalAddress, type Endpoint } from './address.ts'
import { isIP } from 'node:net'
import type { DeviceConfig, Peer } from './config.ts'
import { publicKeyOf, secretTag } from './key.ts'
import type { DeviceChange, DeviceState, PeerChange, PeerState } from './uapi-codec.ts'

/**
 * What must change so that `actual` becomes `wanted`; no peer that is right already is touched, so no live session is lost.
 * Pure. `endpoint` is set only where one is wanted and the device has another; where a name is wanted
 * what it was resolved to stays.
 */
export function diffDevice(wanted: DeviceConfig, actual: DeviceState): DeviceChange {
  const present = new Map(actual.peers.map((peer) => [peer.publicKey, peer]))
  const wantedKeys = new Set(wanted.peers.map((peer) => peer.publicKey))
  const change: DeviceChange = {
    peers: [
      ...actual.peers
        .filter((peer) => !wantedKeys.has(peer.publicKey))
        .map(({ publicKey }): PeerChange => ({ kind: 'remove', publicKey })),
      ...wanted.peers.flatMap((peer) => changeOf(peer, present.get(peer.publicKey)) ?? []),
    ],
  }
  if (actual.publicKey !== publicKeyOf(wanted.privateKey)) change.privateKey = wanted.privateKey
  if (wanted.listenPort !== undefined && wanted.listenPort !== actual.listenPort) change.listenPort = wanted.listenPort
  if ((wanted.fwmark ?? 0) !== actual.fwmark) change.fwmark = wanted.fwmark ?? 0
  return change
}

/** True if there is nothing to do. */
export function isEmpty(change: DeviceChange): boolean {
  return change.peers.length === 0 && Object.keys(change).length === 1
}

function changeOf(wanted: Peer, actual: PeerState | undefined): PeerChange | undefined {
  const { publicKey, allowedIps, endpoint, presharedKey } = wanted
  const keepalive = wanted.persistentKeepaliveSeconds ?? 0
  if (actual === undefined) {
    return {
      kind: 'add',
      publicKey,
      allowedIps,
      ...(endpoint !== undefined && { endpoint }),
      ...(presharedKey !== undefined && { presharedKey }),
      ...(keepalive !== 0 && { persistentKeepaliveSeconds: keepalive }),
    }
  }
  const tag = presharedKey === undefined ? null : secretTag(presharedKey)
  const differs = {
    ...(!sameSet(allowedIps, actual.allowedIps) && { allowedIps }),
    ...(tag !== actual.presharedKeyTag && { presharedKey: presharedKey ?? null }),
    ...(endpoint !== undefined && moved(endpoint, actual.endpoint) && { endpoint }),
    ...(keepalive !== actual.persistentKeepaliveSeconds && { persistentKeepaliveSeconds: keepalive }),
  }
  return Object.keys(differs).length === 0 ? undefined : { kind: 'update', publicKey, ...differs }
}

function moved(wanted: Endpoint, actual: Endpoint | null): boolean {
  if (actual === null) return true
  if (isIP(wanted.host) === 0) return false
  return canonicalAddress(wanted.host) !== actual.host || wanted.port !== actual.port
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const set = new Set(b)
  return a.length === b.length && a.every((item) => set.has(item))
}
