import { vmIdOf } from '../../chain/installation.ts'
import type { ChainSnapshot } from '../../chain/port.ts'
import type { Plan, Subscription } from '../../chain/subscription.ts'
import { entitlement } from '../../subscriptions/entitlement.ts'
import type { SubscriptionView } from '../schemas/vms.ts'
import type { TokenInfo } from '../ports.ts'

/** What a cancel would pay back at `now`: paid − earned, with the minimum never refunded (design.md §5). */
export function refundableAt(s: Subscription, plan: Plan | undefined, now: number): bigint {
  if (s.state === 'ended') return 0n
  if (s.state === 'pending') return s.paid
  const at = Math.max(now, s.activatedAt + (plan?.minSeconds ?? 0))
  const elapsed = BigInt(Math.max(0, Math.min(at, s.streamTo) - s.streamFrom))
  const length = BigInt(s.streamTo - s.streamFrom)
  return length === 0n ? 0n : s.paid - (s.paid * elapsed) / length
}

/** A subscription for people, by the newest block. */
export function subscriptionView(s: Subscription, at: ChainSnapshot, token: TokenInfo): SubscriptionView {
  const plan = at.plans.find((p) => p.planId === s.planId)
  return {
    vmId: vmIdOf(s),
    installation: s.installation,
    contract: at.contract,
    tokenId: s.tokenId.toString(),
    planId: s.planId,
    planName: plan?.name ?? `plan ${s.planId}`,
    holder: s.holder.toLowerCase(),
    entitlement: entitlement(s, at.block.timestamp).kind,
    token: s.token,
    symbol: token.symbol,
    decimals: token.decimals,
    seconds: s.seconds,
    boughtAt: s.boughtAt,
    activationDeadline: s.activationDeadline,
    activatedAt: s.activatedAt,
    expiresAt: s.expiresAt,
    graceEndsAt: s.graceEndsAt,
    paid: s.paid.toString(),
    refundable: refundableAt(s, plan, at.block.timestamp).toString(),
  }
}
