import { AppError } from '../errors/app-error.ts'
import { entitlement } from '../subscriptions/entitlement.ts'
import type { RequestVm, DenialReason } from './login-request.ts'
import type { LatestChain } from './ports.ts'

/** Who may be inside, by the newest block. */
export interface Presence {
  /** Lower case; null if nobody holds it any more. */
  holder: string | null
  /** Null unless the subscription is active at the newest block. */
  activeUntil: number | null
  blockNumber: number
  reason: DenialReason | null
}

/**
 * What the newest block says of a VM. Throws `chain-stale` while that is not known: for a guest that is no answer, which ends
 * nothing and lets nobody in.
 */
export function presenceOf(chain: LatestChain, vm: Pick<RequestVm, 'installation' | 'tokenId'>): Presence {
  const facts = chain.latest(vm.installation, vm.tokenId)
  if (facts === undefined || facts.stale) {
    throw new AppError({ code: 'chain-stale', detail: 'The host does not know the present state of the network.' })
  }
  const { subscription, block } = facts
  if (subscription === undefined || subscription.state === 'ended') {
    return {
      holder: null,
      activeUntil: null,
      blockNumber: block.number,
      reason: { code: 'not-entitled', text: 'The subscription has ended.' },
    }
  }
  const holder = subscription.holder.toLowerCase()
  const given = entitlement(subscription, block.timestamp)
  if (given.kind === 'active') return { holder, activeUntil: given.until, blockNumber: block.number, reason: null }
  const text =
    given.kind === 'pending'
      ? 'The VM is still being prepared.'
      : `The subscription ended on ${new Date(subscription.expiresAt * 1000).toISOString().slice(0, 10)}.`
  return { holder, activeUntil: null, blockNumber: block.number, reason: { code: 'not-entitled', text } }
}

/** The facts that a guest says it knows already. */
export interface KnownPresence {
  holder: string
  active: boolean
}

/** True if a guest that knows `known` would learn nothing that counts. */
export function sameAs(presence: Presence, known: KnownPresence): boolean {
  return presence.holder === known.holder.toLowerCase() && (presence.activeUntil !== null) === known.active
}
