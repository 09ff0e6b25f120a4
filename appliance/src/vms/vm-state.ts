import type { PowerState } from '../hypervisor/port.ts'
import type { Entitlement } from '../subscriptions/entitlement.ts'

/** What a person sees of a VM: one word for each state (api/schemas/vms.ts has the same list, held equal by a test). */
export const vmStates = [
  'waiting-for-confirmation',
  'preparing',
  'running',
  'stopped',
  'suspended',
  'ending',
  'ended',
  'missing',
  'unknown',
] as const
export type VmState = (typeof vmStates)[number]

/** The facts behind the word. */
export interface VmStateFacts {
  /** By the newest block: what the person sees is what the chain says now. */
  entitlement: Entitlement['kind']
  /** The purchase is there at the giving depth. */
  confirmed: boolean
  vm: { kind: 'absent' } | { kind: 'unknown' } | { kind: 'present'; power: PowerState }
}

/** The one word. Pure and total; pages may call it. */
export function vmStateOf({ entitlement, confirmed, vm }: VmStateFacts): VmState {
  switch (entitlement) {
    case 'pending':
      return confirmed ? 'preparing' : 'waiting-for-confirmation'
    case 'ended':
      // an unanswering hypervisor may still have it: only a sure absence is the end
      return vm.kind === 'absent' ? 'ended' : 'ending'
    case 'graceOver':
      return vm.kind === 'absent' ? 'missing' : 'ending'
    case 'grace':
      // it may run on until the expiry is final; nobody gets in any more, so the word is the same
      return vm.kind === 'absent' ? 'missing' : 'suspended'
    case 'active':
      if (vm.kind === 'absent') return 'missing'
      if (vm.kind === 'unknown' || vm.power === 'unknown') return 'unknown'
      return vm.power === 'running' ? 'running' : 'stopped'
  }
}
