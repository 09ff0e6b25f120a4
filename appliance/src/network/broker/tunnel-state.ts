import { createHash } from 'node:crypto'
import type { Endpoint } from 'wireguard-ts/address'
import type { UnixSeconds } from '../../clock/clock.ts'
import type { Grant } from './grant.ts'

/** What is kept of one tunnel; the rest follows from it and the time. */
export interface Tunnel {
  grant: Grant
  /** The address behind the grant's endpoint: with it the tunnel comes back though no name server answers. */
  endpoint: Endpoint
  lookedUpAt: UnixSeconds
  addedAt: UnixSeconds
  /** The last time the broker's own address answered through the tunnel. */
  lastAnswerAt?: UnixSeconds
  /** Milliseconds of that answer. */
  latencyMs?: number
  lastRenewalAttemptAt?: UnixSeconds
  /** Set when the operator or the choice left this broker: its prefix runs out from here. */
  leavingSince?: UnixSeconds
}

/**
 * `unproven`: no answer yet, so nobody uses the prefix. `up`. `silent`: it worked and answers no more. `leaving`: works, is no longer
 * preferred. `over`: the grace has ended, or both prefixes were valid for long enough.
 */
export type TunnelState = 'unproven' | 'up' | 'silent' | 'leaving' | 'over'

/** A ping through each tunnel so often. */
export const probeSeconds = 5
/** A ping is given up after this. */
export const probeTimeoutSeconds = 2
/** Three pings without an answer. */
export const silentAfterSeconds = 12
/** From the death of a broker until VMs speak through another: the round that notices the silence, its ping, one second to announce. */
export const failoverPromiseSeconds = silentAfterSeconds + probeSeconds + probeTimeoutSeconds + 1
/** A name is looked up again so often while its tunnel does not answer. */
export const lookUpAgainSeconds = 60
/** An address cannot be taken from a VM sooner than this by announcement. Source: RFC 4862 §5.5.3 (e). */
export const renumberSeconds = 7200

/** Pure, total. */
export function stateOf(tunnel: Tunnel, now: UnixSeconds): TunnelState {
  const { grant, lastAnswerAt, leavingSince } = tunnel
  if (now >= grant.graceUntil) return 'over'
  // nobody has used a prefix that never worked: there is nothing to wait for
  if (leavingSince !== undefined) return lastAnswerAt === undefined || now - leavingSince >= renumberSeconds ? 'over' : 'leaving'
  if (lastAnswerAt === undefined) return 'unproven'
  // a clock that was set back says nothing about the tunnel
  return Math.max(0, now - lastAnswerAt) > silentAfterSeconds ? 'silent' : 'up'
}

/** When the lease is to be renewed: two thirds of its term, later by up to a twentieth so that hosts do not come all at once. */
export function renewalDueAt({ from, until, prefix }: Pick<Grant, 'from' | 'until' | 'prefix'>): UnixSeconds {
  const term = until - from
  const jitter = createHash('sha256').update(prefix).digest().readUInt16BE(0) / 65_536
  return from + Math.floor((term * 2) / 3 + (term / 20) * jitter)
}

/** Whether to ask for a renewal now; after a failure again in a tenth of what is left, at least a minute and at most an hour. */
export function renewalIsDue({ grant, lastRenewalAttemptAt, leavingSince }: Tunnel, now: UnixSeconds): boolean {
  if (leavingSince !== undefined || now < renewalDueAt(grant) || now >= grant.graceUntil) return false
  if (lastRenewalAttemptAt === undefined || lastRenewalAttemptAt < renewalDueAt(grant)) return true
  const pause = Math.min(3600, Math.max(60, Math.floor((grant.graceUntil - lastRenewalAttemptAt) / 10)))
  return now - lastRenewalAttemptAt >= pause
}
