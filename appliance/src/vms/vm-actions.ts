import type { VmState } from './vm-state.ts'

/** What a person may ask of a VM (api/schemas/vms.ts has the same list, held equal by a test). */
export type VmAction = 'start' | 'stop' | 'reboot' | 'snapshot' | 'rollback' | 'reinstall' | 'console'

/** The one table: action → states that allow it. API guards, buttons and tooltips read it; so it is free of `node:`. */
export const vmActions = {
  start: ['stopped'],
  stop: ['running'],
  reboot: ['running'],
  snapshot: ['running', 'stopped'],
  rollback: ['running', 'stopped'],
  // a VM that is missing comes back only so, or by bringing its storage back
  reinstall: ['running', 'stopped', 'missing'],
  console: ['running'],
} as const satisfies Record<VmAction, readonly VmState[]>

/** Every action, in the order in which pages show them. */
export const allVmActions = Object.keys(vmActions) as VmAction[]

/** Further facts that a few actions need. */
export interface ActionFacts {
  state: VmState
  snapshots: readonly string[]
  /** A job is going on at this VM. */
  busy: boolean
  capabilities: { snapshots: boolean; console: boolean } | undefined
}

const verbs: Record<VmAction, string> = {
  start: 'Start',
  stop: 'Stop',
  reboot: 'Restart',
  snapshot: 'Take snapshot',
  rollback: 'Roll back',
  reinstall: 'Reinstall',
  console: 'Console',
}

/** Why the action is not possible now, as shown beside the disabled button (O3, X8); null if it is possible. */
export function reasonAgainst(action: VmAction, facts: ActionFacts): string | null {
  const allowed: readonly VmState[] = vmActions[action]
  if (!allowed.includes(facts.state))
    return `${verbs[action]}: only for ${listOf(allowed)} VMs; this one is ${named(facts.state)}.`
  if (facts.capabilities !== undefined) {
    if ((action === 'snapshot' || action === 'rollback') && !facts.capabilities.snapshots) return 'This host takes no snapshots.'
    if (action === 'console' && !facts.capabilities.console) return 'This host offers no serial console.'
  }
  if (action === 'rollback' && facts.snapshots.length === 0) return 'Roll back: there is no snapshot yet.'
  if (facts.busy && action !== 'console') return 'Work on this VM is going on; wait until it has ended.'
  return null
}

/** All actions with their reasons, as the API answers them. */
export function actionsOf(facts: ActionFacts): { action: VmAction; allowed: boolean; reason: string | null }[] {
  return allVmActions.map((action) => {
    const reason = reasonAgainst(action, facts)
    return { action, allowed: reason === null, reason }
  })
}

function named(state: VmState): string {
  return state.replaceAll('-', ' ')
}

function listOf(states: readonly VmState[]): string {
  const words = states.map(named)
  const last = words.pop() ?? ''
  return words.length === 0 ? last : `${words.join(', ')} or ${last}`
}
