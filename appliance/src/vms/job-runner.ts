import type { VmId } from '../chain/installation.ts'
import type { Clock } from '../clock/clock.ts'
import { findAppError } from '../errors/app-error.ts'
import { runTask } from '../steps/runner.ts'
import type { TaskEvent } from '../steps/task-store.ts'
import type { TaskRepository } from '../store/tasks.ts'
import type { Jobs } from './jobs.ts'
import type { LeftOverTasks } from './left-over-tasks.ts'
import type { VmJob } from './vm-jobs.ts'

export interface JobRunnerPorts {
  clock: Clock
  tasks: Pick<TaskRepository, 'put' | 'list' | 'appendLog' | 'unfinished'>
  onTaskEvent?: (event: TaskEvent) => void
  log?: (line: string, cause?: unknown) => void
  jobs: Jobs
  leftOver: LeftOverTasks
  /** Aborts the steps that run. */
  signal: AbortSignal
  /** A job has ended; `changed`: the world may be another one. */
  ended(id: VmId, changed: boolean): void
}

/** Runs the jobs of VMs, at most one each, and remembers how they went: what failed is tried again after a pause. */
export class JobRunner {
  readonly #ports: JobRunnerPorts

  constructor(ports: JobRunnerPorts) {
    this.#ports = ports
  }

  /** Runs one job's steps to their end. Never rejects. */
  async run(id: VmId, job: VmJob, onEvent?: (event: TaskEvent) => void): Promise<void> {
    const { clock, tasks, jobs, leftOver, signal, log } = this.#ports
    const emit = (event: TaskEvent): void => {
      this.#ports.onTaskEvent?.(event)
      onEvent?.(event)
    }
    leftOver.takenUpBy(id, job.kind)
    try {
      const record = await runTask(
        {
          kind: job.kind,
          subject: id,
          steps: job.steps,
          context: job.work,
          signal,
          resumeFailed: jobs.failure(id)?.kind === job.kind,
          ...(job.undoAfter !== undefined && { undoAfter: job.undoAfter }),
        },
        { tasks, clock, onEvent: emit, onFailure: (error) => log?.(`${job.kind} of ${id} failed`, error) },
      )
      if (record.state === 'done') jobs.succeeded(id)
      else if (record.state !== 'interrupted') {
        jobs.failedWith(id, job.kind, record.error === null ? 'It was taken back.' : record.error.detail, performance.now())
        log?.(`${job.kind} of ${id} ended as ${record.state}: ${record.error?.detail ?? ''}`)
      }
    } catch (error) {
      jobs.failedWith(id, job.kind, findAppError(error)?.detail ?? 'The store did not answer.', performance.now())
      log?.(`${job.kind} of ${id} could not be persisted`, error)
    }
  }

  /** As `begin`, for a pass: false if a person was faster while it looked. One busy VM must not end the pass for all. */
  tryBegin(id: VmId, kind: string, work: () => Promise<boolean>): boolean {
    if (this.#ports.jobs.kindOf(id) !== undefined) return false
    this.begin(id, kind, work)
    return true
  }

  /**
   * Begins work on one VM and does not wait for it. `work` tells whether it may have changed the world. Throws AppError
   * `task-running` if the VM is busy.
   */
  begin(id: VmId, kind: string, work: () => Promise<boolean>): void {
    const { jobs, log, ended } = this.#ports
    jobs.begin(id, kind, async () => {
      let changed = true
      try {
        changed = await work()
      } catch (error) {
        jobs.failedWith(id, kind, findAppError(error)?.detail ?? 'It ended unexpectedly.', performance.now())
        log?.(`${kind} of ${id} failed`, error)
      }
      ended(id, changed)
    })
  }
}
