import type { VmState, VmView } from '@freehold/appliance/api/schemas/vms'
import type { MessageKey } from '../messages/catalogue.ts'
import type { Tone } from '../ui/Notice.tsx'

/** The tone that repeats what the word of a state says. */
export const stateTones: Record<VmState, Tone> = {
  'waiting-for-confirmation': 'info',
  preparing: 'info',
  running: 'good',
  stopped: 'info',
  suspended: 'warn',
  ending: 'warn',
  ended: 'info',
  missing: 'bad',
  unknown: 'warn',
}

/** From seven days before the end a VM says so first (S11). */
export const soonSeconds = 7 * 86_400

/** What the page has to say first about time, if anything. Pure. */
export function timeNotice(vm: VmView, now: number): 'ends-soon' | 'suspended' | 'about-to-be-deleted' | 'ended' | undefined {
  const { entitlement, expiresAt } = vm.subscription
  switch (entitlement) {
    case 'pending':
      return undefined
    case 'active':
      return now > 0 && expiresAt - now <= soonSeconds ? 'ends-soon' : undefined
    case 'grace':
      return 'suspended'
    case 'graceOver':
      return 'about-to-be-deleted'
    case 'ended':
      return 'ended'
  }
}

/**
 * The host's one sentence about a VM, as the page says it; undefined where the host has none, or the word of the state says it all.
 * What is `ending` with a subscription that has ended waits for the network; otherwise for the deletion. Pure.
 */
export function noteOf({ note, state, subscription }: Pick<VmView, 'note' | 'state' | 'subscription'>): MessageKey | undefined {
  if (note === null || state === 'running') return undefined
  if (state === 'ending' && subscription.entitlement === 'ended') return 'note.final'
  return `note.${state}`
}
