import type { VmState, VmView } from '@freehold/appliance/api/schemas/vms'
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
