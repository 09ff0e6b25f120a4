import type { VmId } from '../chain/installation.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import type { TaskRecord } from '../steps/step.ts'
import type { TaskEvent } from '../steps/task-store.ts'
import type { TaskRepository } from '../store/tasks.ts'

/** Jobs that the rule itself begins: once it asks for nothing more, what they were for is so. */
const byTheRule = new Set(['start', 'suspend', 'end', 'reject', 'destroy', 'stop'])
/** Taken up again, or settled by its own rule (vm-jobs.ts). */
const takenUp = new Set(['create'])

/**
 * Tasks that a kill left open. They are marked `interrupted` at the start, and ended when the rule asks for nothing more of
 * their VM: as done where the rule wanted what they did, else as failed, so that whoever asked looks and asks again. A reinstall
 * that had raised the generation is taken up; one that had not is not begun again: its asker may hold the pass no longer.
 */
export class LeftOverTasks {
  readonly #tasks: Pick<TaskRepository, 'put' | 'unfinished'>
  readonly #emit: (event: TaskEvent) => void
  readonly #open = new Map<string, TaskRecord[]>()

  constructor(tasks: Pick<TaskRepository, 'put' | 'unfinished'>, emit: (event: TaskEvent) => void) {
    this.#tasks = tasks
    this.#emit = emit
  }

  async load(): Promise<void> {
    for (const task of await this.#tasks.unfinished()) {
      if (task.subject === 'host') continue
      const interrupted: TaskRecord = { ...task, state: 'interrupted' }
      await this.#tasks.put(interrupted)
      if (!takenUp.has(task.kind)) this.#open.set(task.subject, [...(this.#open.get(task.subject) ?? []), interrupted])
    }
  }

  get subjects(): string[] {
    return [...this.#open.keys()]
  }

  get size(): number {
    return this.#open.size
  }

  has(id: string): boolean {
    return this.#open.has(id)
  }

  /** Another job of this kind has taken the record up: it ends by itself. */
  takenUpBy(id: VmId, kind: string): void {
    const rest = (this.#open.get(id) ?? []).filter((task) => task.kind !== kind)
    if (rest.length === 0) this.#open.delete(id)
    else this.#open.set(id, rest)
  }

  /** The rule asks for nothing more of this VM. */
  async settle(id: string, now: UnixSeconds): Promise<void> {
    const open = this.#open.get(id)
    if (open === undefined) return
    for (const task of open) {
      const whole = task.steps.every((step) => step.state === 'done')
      const ended = whole || byTheRule.has(task.kind) ? doneAt(task, now) : failedAt(task, now)
      await this.#tasks.put(ended)
      this.#emit({ type: 'task', task: ended })
    }
    this.#open.delete(id)
  }
}

function doneAt(task: TaskRecord, now: UnixSeconds): TaskRecord {
  const steps = task.steps.map((step) =>
    step.state === 'done' ? step : { ...step, state: 'done' as const, startedAt: step.startedAt ?? now, endedAt: now },
  )
  return { ...task, state: 'done', steps, error: null, endedAt: now }
}

function failedAt(task: TaskRecord, now: UnixSeconds): TaskRecord {
  const error = {
    code: 'step-failed',
    title: 'This was interrupted',
    detail: 'The host was restarted in the middle of it.',
    hint: 'Look at the VM, and ask again if it is not as you wanted it.',
  }
  return { ...task, state: 'failed', error, endedAt: now }
}
