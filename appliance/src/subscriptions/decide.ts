import type { UnixSeconds } from '../clock/clock.ts'
import type { PowerState, VmOrigin } from '../hypervisor/port.ts'
import { mayDestroy, mayEnd, mayTakePower, type GivingView, type TakingView } from './views.ts'

/** The VM as the hypervisor has it. `absent` is a sure answer; `unknown` is never absence. */
export type ActualVm =
  | { kind: 'absent' }
  | { kind: 'unknown' }
  | { kind: 'present'; power: PowerState; autostart: boolean; origin: VmOrigin; activating: boolean }

/** What our own books say about the VM; undefined where they know nothing of it. */
export interface VmNotes {
  origin: VmOrigin
  /** Our clock when the intent to activate was persisted: from then on the disk stands under the taking rule. */
  activateIntentAt: UnixSeconds | null
  /** Our clock since when a finalized block past the grace has been seen. */
  graceOverSeenSince: UnixSeconds | null
  /** The `graceEndsAt` that was over then. */
  graceOverFor: UnixSeconds | null
  /** Disk and domain are gone and the addresses are free again. */
  destroyedAt: UnixSeconds | null
  /** A person stopped it on purpose. */
  keptStopped: boolean
}

/** Block in which a transaction of ours was mined, while the giving depth has not shown its effect yet. */
export interface Unconfirmed {
  verb: 'activate' | 'reject' | 'end'
  minedBlock: number
}

/** All that the rule looks at. */
export interface DecisionFacts {
  /** Our key is PROVISIONER at the giving depth. */
  provisioner: boolean
  giving: GivingView
  /** The read that takings need: made only when the rule asks for it. */
  taking: TakingView | 'not-asked' | 'unreadable' | 'never-sold'
  vm: ActualVm
  notes: VmNotes | undefined
  /** Why no further VM fits, or undefined if it fits. */
  noRoom: string | undefined
  /** Destroys of the last 24 hours leave room for one more. */
  destroysAllowed: boolean
  unconfirmed: Unconfirmed | undefined
  /** `config.taking.waitSeconds`. */
  waitSeconds: number
  /** Plans of kind WASM are served here, by another loop (wasm/wasm-subscriptions.ts). Default: no, and they are rejected. */
  servesWasm?: boolean
}

/** Issues that stand because of one VM. */
export type VmIssue =
  | 'vm-missing'
  | 'vm-unaccounted'
  | 'vm-of-another-purchase'
  | 'vm-state-unknown'
  | 'purchase-waiting'
  | 'destroys-waiting'

/** What is to be done with one VM now. `nothing` may carry an issue that stands as long as the facts do. */
export type Action =
  | { kind: 'nothing'; why: string; issue?: VmIssue }
  | { kind: 'create' }
  /** The same steps, taken up again where a former run left them; ends with `activate`. */
  | { kind: 'continue-create' }
  /** Another purchase came back under this id: fresh disk under the next generation, then go on as a create. */
  | { kind: 'reinstall-before-activate' }
  | { kind: 'reject'; why: string }
  | { kind: 'start' }
  | { kind: 'suspend' }
  /** Begin (or go on) waiting by our own clock; `since` is to be persisted if it is new. */
  | { kind: 'wait-before-end'; since: UnixSeconds; isNew: boolean }
  | { kind: 'send-end' }
  | { kind: 'destroy' }
  /** The subscription is longer than it was: forget that its grace was over. */
  | { kind: 'forget-grace-over' }
  /** Read for taking, then decide again. */
  | { kind: 'read-for-taking' }

/** With less than this share of the activation deadline left, a purchase is rejected instead of made. */
export const rejectShare = 1 / 4

/**
 * What to do with one VM, from facts alone (design.md §6). Gives by the giving depth, takes only on two agreeing answers, does
 * nothing on doubt. `now` is our own clock and used for the wait before `end` only; all else runs by the chain's time.
 */
export function decide(facts: DecisionFacts, now: UnixSeconds): Action {
  if (!facts.provisioner) return nothing('this host is not the provisioner')
  const { entitlement } = facts.giving
  switch (entitlement?.kind) {
    case undefined:
      return withoutSubscription(facts)
    case 'pending':
      return pending(facts)
    case 'active':
      return active(facts)
    case 'grace':
    case 'graceOver':
    case 'ended':
      return over(facts, now)
  }
}

function nothing(why: string, issue?: VmIssue): Action {
  return issue === undefined ? { kind: 'nothing', why } : { kind: 'nothing', why, issue }
}

function pending(facts: DecisionFacts): Action {
  const { giving, vm, notes, unconfirmed } = facts
  const { subscription, plan } = giving
  if (subscription === undefined || plan === undefined) return nothing('its plan is not known', 'vm-unaccounted')
  // a transaction of ours was mined above the giving depth: wait until it shows, or until its block has gone for good
  if (unconfirmed !== undefined && giving.block.number < unconfirmed.minedBlock) return nothing('waiting for confirmations')
  if (plan.kind === 'wasm' && facts.servesWasm === true) return nothing('not a VM')
  if (plan.kind !== 'vm') return giving.stale ? nothing('the chain is stale') : { kind: 'reject', why: 'this host runs VMs only' }

  const left = subscription.activationDeadline - giving.latestTime
  const late = left < (subscription.activationDeadline - subscription.boughtAt) * rejectShare
  const intended = (notes !== undefined && notes.activateIntentAt !== null) || (vm.kind === 'present' && vm.activating)
  const same = vm.kind === 'present' ? isSame(vm.origin, subscription) : notes === undefined || isSame(notes.origin, subscription)
  // once the intent to activate is persisted its transaction may be under way: only the deadline itself ends the try
  if (left <= 0 || (late && !(intended && same))) {
    if (giving.stale) return nothing('the chain is stale')
    return { kind: 'reject', why: left <= 0 ? 'the deadline has passed' : 'too little time is left' }
  }
  switch (vm.kind) {
    case 'unknown':
      return nothing('the hypervisor does not answer', 'purchase-waiting')
    case 'present':
      if (vm.power === 'unknown') return nothing('its state is not known', 'vm-state-unknown')
      return { kind: same ? 'continue-create' : 'reinstall-before-activate' }
    case 'absent':
      // it was ready once: a fresh disk would be delivered in silence in place of the one that reported
      if (intended && same) return nothing('it was ready and is gone', 'vm-missing')
      return facts.noRoom === undefined ? { kind: 'create' } : nothing(facts.noRoom, 'purchase-waiting')
  }
}

function active(facts: DecisionFacts): Action {
  const { giving, vm, notes } = facts
  if (giving.plan?.kind === 'wasm') return nothing('not a VM')
  if (hasSeenGraceOver(notes)) return { kind: 'forget-grace-over' }
  switch (vm.kind) {
    case 'unknown':
      return nothing('the hypervisor does not answer')
    case 'absent':
      return nothing('activated, and not there', 'vm-missing')
    case 'present':
      if (giving.subscription !== undefined && !isSame(vm.origin, giving.subscription)) {
        return nothing('made for another purchase', 'vm-of-another-purchase')
      }
      if (vm.power === 'unknown') return nothing('its state is not known', 'vm-state-unknown')
      if (notes?.keptStopped === true) return nothing('stopped by a person')
      return vm.power === 'running' && vm.autostart ? nothing('runs as it should') : { kind: 'start' }
  }
}

function over(facts: DecisionFacts, now: UnixSeconds): Action {
  const { giving, vm, notes, taking, unconfirmed } = facts
  if (giving.plan?.kind === 'wasm') return nothing('not a VM')
  if (giving.entitlement?.kind === 'grace' && hasSeenGraceOver(notes)) return { kind: 'forget-grace-over' }
  if (giving.stale) return nothing('the chain is stale')
  if (vm.kind === 'unknown' || (vm.kind === 'present' && vm.power === 'unknown'))
    return nothing('its state is not known', 'vm-state-unknown')
  // a guest that crashed is off: its hypervisor says so until the next start
  if (vm.kind === 'present' && ((vm.power !== 'stopped' && vm.power !== 'crashed') || vm.autostart)) {
    const refused = refusalToTake(taking)
    if (refused !== undefined) return refused
    return mayTakePower(taking as TakingView) ? { kind: 'suspend' } : nothing('not settled yet')
  }
  if (giving.entitlement?.kind !== 'graceOver') {
    return vm.kind === 'absent' ? nothing('in grace, and not there', 'vm-missing') : nothing('suspended as it should be')
  }
  if (unconfirmed?.verb === 'end' && giving.block.number < unconfirmed.minedBlock) return nothing('waiting for confirmations')
  // a mark of an earlier grace counts for nothing: an extension that we never saw may lie in between
  const sameGrace = notes !== undefined && notes.graceOverFor === giving.subscription?.graceEndsAt
  const since = sameGrace ? notes.graceOverSeenSince : null
  if (since !== null && now - since < facts.waitSeconds) return { kind: 'wait-before-end', since, isNew: false }
  const refused = refusalToTake(taking)
  if (refused !== undefined) return refused
  if (!mayEnd(taking as TakingView)) return nothing('not settled yet')
  if (notes === undefined) return nothing('our books are empty', 'vm-unaccounted')
  if (since === null) return { kind: 'wait-before-end', since: now, isNew: true }
  return { kind: 'send-end' }
}

function withoutSubscription(facts: DecisionFacts): Action {
  const { vm, notes, taking, giving } = facts
  if (vm.kind === 'absent' && (notes === undefined || notes.destroyedAt !== null)) return nothing('ended, and gone')
  if (giving.stale) return nothing('the chain is stale')
  if (vm.kind === 'unknown' || (vm.kind === 'present' && vm.power === 'unknown'))
    return nothing('its state is not known', 'vm-state-unknown')
  const refused = refusalToTake(taking)
  if (refused !== undefined) return refused
  if (!mayDestroy(taking as TakingView)) return nothing('not settled yet')
  if (vm.kind === 'present' && !facts.destroysAllowed) return nothing('too many were destroyed today', 'destroys-waiting')
  return { kind: 'destroy' }
}

/** What to do instead where the read for taking is not there or gives no ground. */
function refusalToTake(taking: DecisionFacts['taking']): Action | undefined {
  if (taking === 'not-asked') return { kind: 'read-for-taking' }
  if (taking === 'unreadable') return nothing('the chain gives no sure answer', 'vm-unaccounted')
  if (taking === 'never-sold') return nothing('no such purchase is known', 'vm-unaccounted')
  return undefined
}

function isSame(origin: VmOrigin, purchase: VmOrigin): boolean {
  return origin.buyer.toLowerCase() === purchase.buyer.toLowerCase() && origin.boughtBlock === purchase.boughtBlock
}

function hasSeenGraceOver(notes: VmNotes | undefined): boolean {
  return notes !== undefined && notes.graceOverSeenSince !== null
}
