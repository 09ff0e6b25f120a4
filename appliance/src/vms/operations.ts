import { vmIdOf, type VmKey } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import type { TaskRecord } from '../steps/step.ts'
import { personSteps } from './person-steps.ts'
import type { Reconciler } from './reconciler.ts'
import type { VmAction } from './vm-actions.ts'

/** What runs as a task; the console is a stream. */
export type TaskAction = Exclude<VmAction, 'console'>

/**
 * Begins what a person asked for and resolves with its task. Who may ask, and the table of vm-actions.ts, are the caller's to
 * check (a fresh signature for reinstall and rollback included); that the subscription is active is read again in the task.
 * Throws AppError `task-running`, `vm-unknown`.
 */
export async function beginAction(reconciler: Reconciler, key: VmKey, action: TaskAction): Promise<TaskRecord> {
  const row = reconciler.books.get(vmIdOf(key))
  if (row === undefined || row.generation !== key.generation) {
    throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmIdOf(key)} of generation ${key.generation}.` })
  }
  if (action !== 'reinstall') {
    return reconciler.perform(key, action, (work) => ({ kind: action, steps: personSteps[action], work }))
  }
  const next = { ...key, generation: key.generation + 1 }
  return reconciler.perform(next, action, (work) => ({
    kind: action,
    steps: personSteps.reinstall,
    work: { ...work, from: key },
  }))
}
