import type { UnixSeconds } from '../../clock/clock.ts'
import type { LeaseRecord } from './record.ts'

/** Where a lease stands at a moment. */
export type LeaseState = 'waiting' | 'connected' | 'idle' | 'suspended' | 'grace' | 'over' | 'quarantined' | 'free'

/** A handshake older than this is no connection (WireGuard drops keys after 180 s). */
export const connectedSeconds = 180

/** The state of a lease at `now`. Pure, total. `over`: the grace has ended and nobody has taken the lease down yet. */
export function stateOf(record: LeaseRecord, now: UnixSeconds): LeaseState {
  if (record.endedAt !== undefined) return now < (record.quarantineUntil ?? 0) ? 'quarantined' : 'free'
  if (now >= record.graceUntil) return 'over'
  if (record.suspendedAt !== undefined) return 'suspended'
  if (now >= record.until) return 'grace'
  if (record.lastHandshakeAt === undefined) return 'waiting'
  return now - record.lastHandshakeAt < connectedSeconds ? 'connected' : 'idle'
}

/** What the host or the operator may do, by state. Service, CLI and page read this one table. */
export const leaseActions = {
  renew: ['waiting', 'connected', 'idle', 'suspended', 'grace', 'over'],
  release: ['waiting', 'connected', 'idle', 'suspended', 'grace', 'over'],
  rekey: ['waiting', 'connected', 'idle', 'suspended', 'grace', 'over'],
  suspend: ['waiting', 'connected', 'idle', 'grace', 'over'],
  resume: ['suspended'],
} as const satisfies Record<string, readonly LeaseState[]>

export type LeaseAction = keyof typeof leaseActions

/** Whether an action is possible now. A suspended lease of any age is `suspended` to `resume`. */
export function allows(action: LeaseAction, record: LeaseRecord, now: UnixSeconds): boolean {
  const state: LeaseState =
    action === 'resume' && record.endedAt === undefined && record.suspendedAt !== undefined ? 'suspended' : stateOf(record, now)
  return (leaseActions[action] as readonly LeaseState[]).includes(state)
}
