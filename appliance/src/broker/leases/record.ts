import type { Cidr } from 'wireguard-ts/address'
import type { PresharedKey, PublicKey } from 'wireguard-ts/key'
import type { UnixSeconds } from '../../clock/clock.ts'
import type { ClosedPorts, Identity, Lease, LeaseId } from '../types.ts'

/** Why a lease ended. */
export type EndReason = 'expired' | 'released' | 'never-connected' | 'reorganised' | 'operator'

/** How a request came: over HTTP, or as this request of the registry. */
export type Source = { kind: 'http' } | { kind: 'chain'; requestId: bigint }

/** One lease as the broker keeps it, for ever: ended ones too. */
export interface LeaseRecord {
  id: LeaseId
  identity: Identity
  chainId: number
  /** The `Subscriptions` contract, checksummed. */
  contract: string
  prefix: Cidr
  peerKey: PublicKey
  presharedKey: PresharedKey | undefined
  closed: ClosedPorts
  rateCapBytesPerSecond: number | undefined
  suspendedAt: UnixSeconds | undefined
  suspendedWhy: string | undefined
  from: UnixSeconds
  until: UnixSeconds
  graceUntil: UnixSeconds
  endedAt: UnixSeconds | undefined
  endReason: EndReason | undefined
  /** Until then the prefix and its keys go to nobody else. */
  quarantineUntil: UnixSeconds | undefined
  /** False while the request on chain that made it is not finalized. */
  settled: boolean
  source: Source
  firstHandshakeAt: UnixSeconds | undefined
  lastHandshakeAt: UnixSeconds | undefined
}

/** What the data path is told of a live lease. */
export function leaseOf(record: LeaseRecord): Lease {
  return {
    id: record.id,
    identity: record.identity,
    prefix: record.prefix,
    peerKey: record.peerKey,
    ...(record.presharedKey === undefined ? {} : { presharedKey: record.presharedKey }),
    closed: record.closed,
    ...(record.rateCapBytesPerSecond === undefined ? {} : { rateCapBytesPerSecond: record.rateCapBytesPerSecond }),
    suspended: record.suspendedAt !== undefined,
    from: record.from,
    until: record.until,
    graceUntil: record.graceUntil,
  }
}
