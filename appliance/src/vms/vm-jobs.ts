import { vmIdOf, type VmKey } from '../chain/installation.ts'
import type { AppError } from '../errors/app-error.ts'
import type { Step } from '../steps/step.ts'
import type { TaskRepository } from '../store/tasks.ts'
import type { StoredVm } from '../store/vms.ts'
import type { Action } from '../subscriptions/decide.ts'
import { createSteps } from './create-steps.ts'
import { destroySteps, endSteps, rejectSteps } from './end-steps.ts'
import { isSamePurchase } from './guards.ts'
import { startSteps, suspendSteps } from './power-steps.ts'
import type { VmWork } from './vm-work.ts'

/** A job of steps for one VM, ready to run. */
export interface VmJob {
  /** As people see it in the list of tasks. */
  kind: string
  steps: readonly Step<VmWork>[]
  work: VmWork
  undoAfter?: (error: AppError) => boolean
}

type Doing = Extract<
  Action,
  { kind: 'create' | 'continue-create' | 'reinstall-before-activate' | 'reject' | 'start' | 'suspend' | 'send-end' | 'destroy' }
>

/**
 * The job of an action. `work.key` names the VM as it is; `row` is what the books know of it, destroyed ones included.
 */
export function jobFor(action: Doing, work: VmWork, row: StoredVm | undefined): VmJob {
  switch (action.kind) {
    case 'create':
      return create({ ...work, key: { ...work.key, generation: generationFor(row, work) } })
    case 'continue-create':
      return create(work)
    case 'reinstall-before-activate': {
      const key: VmKey = { ...work.key, generation: Math.max(work.key.generation + 1, generationFor(row, work)) }
      return create({ ...work, from: work.key, key })
    }
    case 'reject':
      return { kind: 'reject', steps: rejectSteps, work }
    case 'start':
      return { kind: 'start', steps: startSteps, work }
    case 'suspend':
      return { kind: 'suspend', steps: suspendSteps, work }
    case 'send-end':
      return { kind: 'end', steps: endSteps, work }
    case 'destroy':
      return { kind: 'destroy', steps: destroySteps, work }
  }
}

/** A full host gets its room back at once; anything else is left for the next try to complete. */
function create(work: VmWork): VmJob {
  return {
    kind: 'create',
    steps: createSteps,
    work,
    undoAfter: ({ code }) => code === 'storage-full' || code === 'capacity-exceeded',
  }
}

/** The same generation goes on only for the same purchase of a VM that was never destroyed: secrets are never shared. */
export function generationFor(row: StoredVm | undefined, { subscription }: Pick<VmWork, 'subscription'>): number {
  if (row === undefined) return 1
  const same = subscription !== undefined && isSamePurchase(row.origin, subscription)
  return same && row.destroyedAt === null ? row.generation : row.generation + 1
}

/**
 * Closes a create whose activation has been seen: its task is run to its end if a kill left it open (every check holds by
 * then), and the books note it.
 */
export async function settleCreate(
  work: VmWork,
  tasks: Pick<TaskRepository, 'list'>,
  run: (job: VmJob) => Promise<void>,
): Promise<void> {
  const { items } = await tasks.list({ subject: vmIdOf(work.key), limit: 20 })
  const newest = items.find((t) => t.kind === 'create')
  if (newest !== undefined && newest.state !== 'done' && newest.state !== 'undone') await run(create(work))
  await work.books.mark(work.key, { activatedSeenAt: work.ports.clock.now() })
}
