import type { BlockRef, ChainSnapshot, Heads } from '../chain/port.ts'
import type { Plan, Subscription } from '../chain/subscription.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import { entitlement, type Entitlement } from './entitlement.ts'

/** What the chain says at the giving depth; time is that block's, never later than what the newest block says. */
export interface GivingView {
  /** Undefined: ended, or never sold. Which of both only a read for taking tells. */
  subscription: Subscription | undefined
  plan: Plan | undefined
  entitlement: Entitlement | undefined
  block: BlockRef
  /** Time of the newest block we know: deadlines run by it. */
  latestTime: UnixSeconds
  stale: boolean
}

/** Both answers that a taking needs, at one time: the finalized block's. */
export interface TakingView {
  finalized: Entitlement
  latest: Entitlement
  finalizedTime: UnixSeconds
}

/**
 * What may be given. The entitlement is `active` only if it is so at the giving block and still by the time of the newest
 * block, so that nothing is started that has run out meanwhile.
 */
export function givingView(snapshot: ChainSnapshot, heads: Pick<Heads, 'latest' | 'stale'>, tokenId: bigint): GivingView {
  const subscription = snapshot.subscriptions.get(tokenId)
  const latestTime = Math.max(snapshot.block.timestamp, heads.latest.timestamp)
  return {
    subscription,
    plan: subscription && snapshot.plans.find((p) => p.planId === subscription.planId),
    entitlement: subscription && entitlement(subscription, latestTime),
    block: snapshot.block,
    latestTime,
    stale: heads.stale,
  }
}

/** What may be taken, from the read that was made for it. Time is the finalized block's for both answers (design.md §6). */
export function takingView(read: { finalized: Subscription; latest: Subscription; finalizedBlock: BlockRef }): TakingView {
  const finalizedTime = read.finalizedBlock.timestamp
  return {
    finalized: entitlement(read.finalized, finalizedTime),
    latest: entitlement(read.latest, finalizedTime),
    finalizedTime,
  }
}

/** Both depths say that nothing is given any more: the VM may be shut down. */
export function mayTakePower(view: TakingView): boolean {
  return isOver(view.finalized) && isOver(view.latest)
}

/** Both depths say that the grace is over: our own clock may begin to run, and after it `end` may be sent. */
export function mayEnd(view: TakingView): boolean {
  return view.finalized.kind === 'graceOver' && view.latest.kind === 'graceOver'
}

/** Both depths say that it has ended: the only ground for destroying a disk. */
export function mayDestroy(view: TakingView): boolean {
  return view.finalized.kind === 'ended' && view.latest.kind === 'ended'
}

function isOver(e: Entitlement): boolean {
  return e.kind === 'grace' || e.kind === 'graceOver' || e.kind === 'ended'
}
