import type { UnixSeconds } from '../clock/clock.ts'
import type { Subscription } from '../chain/subscription.ts'

/** What a subscription gives at a moment. */
export type Entitlement =
  | { kind: 'pending'; activationDeadline: UnixSeconds }
  | { kind: 'active'; until: UnixSeconds }
  | { kind: 'grace'; until: UnixSeconds }
  | { kind: 'graceOver'; since: UnixSeconds }
  | { kind: 'ended' }

/** The facts that the rule needs. */
export type EntitlementFacts = Pick<Subscription, 'state' | 'expiresAt' | 'graceEndsAt' | 'activationDeadline'>

/**
 * The one rule: what the subscriber may use at `now` (block time). Pure and total; equal to the contract's own
 * `entitlement(id)` for every history (design.md §6).
 */
export function entitlement(subscription: EntitlementFacts, now: UnixSeconds): Entitlement {
  switch (subscription.state) {
    case 'pending':
      return { kind: 'pending', activationDeadline: subscription.activationDeadline }
    case 'ended':
      return { kind: 'ended' }
    case 'active':
      if (now < subscription.expiresAt) return { kind: 'active', until: subscription.expiresAt }
      if (now < subscription.graceEndsAt) return { kind: 'grace', until: subscription.graceEndsAt }
      return { kind: 'graceOver', since: subscription.graceEndsAt }
  }
}
