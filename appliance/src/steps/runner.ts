import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock/clock.ts'
import { AppError, findAppError } from '../errors/app-error.ts'
import { backOffSeconds, mayPass, once, type RetryPolicy } from './retry.ts'
import type { Step, StepIo, StepState, TaskRecord } from './step.ts'
import type { TaskEvent, TaskStore } from './task-store.ts'

/** A job to run. At most one per (kind, subject) at a time: that is the caller's to hold. */
export interface TaskRequest<Context> {
  kind: string
  /** A vmId, or `host`. */
  subject: string
  steps: readonly Step<Context>[]
  context: Context
  /** Stops between and, where a step listens, within steps. The job is then `interrupted` and can be taken up again. */
  signal?: AbortSignal
  /** Tries of each step within this run. Default: one. */
  retry?: RetryPolicy
  /** Also takes up the newest job of this kind and subject if it failed, as a further attempt of the same task. */
  resumeFailed?: boolean
  /** Names of steps that a person goes on without; only those that are `skippable`. Kept with the job, so that a restart knows it. */
  skip?: readonly string[]
  /** Asked once after the last failure: true takes everything back in reverse order. Default: the half-done work stays. */
  undoAfter?: (error: AppError) => boolean | Promise<boolean>
}

export interface TaskPorts {
  tasks: TaskStore
  clock: Clock
  onEvent?: (event: TaskEvent) => void
  /** What made a job fail, whole and with its causes: for the log of the daemon only. */
  onFailure?: (error: unknown) => void
}

/**
 * Runs a job to its end, or takes up the unfinished one of the same kind and subject. Every transition is on disk before and
 * after it happens, and each step asks the world by `check` before it acts: kill -9 anywhere and a second call end in the same
 * world. Resolves with the record as it ended (`done`, `failed`, `undone`, `interrupted`); rejects only if the store fails.
 */
export async function runTask<Context>(request: TaskRequest<Context>, ports: TaskPorts): Promise<TaskRecord> {
  const job = await open(request, ports)
  try {
    for (const [index, step] of request.steps.entries()) await forward(job, request, step, index)
    return await job.end('done', null)
  } catch (error) {
    if (error instanceof StoreFailure) throw error.cause
    if (request.signal?.aborted === true) {
      await job.line('Stopped; it can be taken up again.')
      return await job.end('interrupted', null)
    }
    ports.onFailure?.(error)
    const known = asAppError(error)
    await job.line(`${known.title}. ${known.detail} ${known.hint}`)
    if ((await request.undoAfter?.(known)) !== true) return await job.end('failed', known)
    return await takeBack(job, request, known)
  }
}

/**
 * Takes back what a job did, in reverse order. Every step with an `undo` gets it, as a step may have been half done.
 * May be called again after a kill.
 */
export async function undoTask<Context>(request: TaskRequest<Context>, ports: TaskPorts): Promise<TaskRecord> {
  return takeBack(await open(request, ports), request, null)
}

/** Wraps a failure of the store, which ends the run at once: nothing may happen that is not on disk. */
class StoreFailure extends Error {}

class Job {
  record: TaskRecord
  readonly #ports: TaskPorts
  #lines: Promise<unknown> = Promise.resolve()

  constructor(record: TaskRecord, ports: TaskPorts) {
    this.record = record
    this.#ports = ports
  }

  async #save(record: TaskRecord): Promise<void> {
    try {
      await this.#ports.tasks.put(record)
    } catch (cause) {
      throw new StoreFailure('the job could not be persisted', { cause })
    }
    this.record = record
    this.#ports.onEvent?.({ type: 'task', task: record })
  }

  /** Persists that step `index` is now in `state`. */
  async step(index: number, state: StepState): Promise<void> {
    const at = this.#ports.clock.now()
    const steps = this.record.steps.map((s, i) => {
      if (i !== index) return s
      const begins = state === 'running' || state === 'undoing'
      return { ...s, state, phase: null, startedAt: begins ? at : (s.startedAt ?? at), endedAt: begins ? null : at }
    })
    await this.#save({ ...this.record, steps })
  }

  begin(): Promise<void> {
    return this.#save(this.record)
  }

  async end(state: TaskRecord['state'], error: AppError | null): Promise<TaskRecord> {
    await this.#lines
    const shown = error && { code: error.code, title: error.title, detail: error.detail, hint: error.hint }
    const endedAt = state === 'interrupted' ? null : this.#ports.clock.now()
    await this.#save({ ...this.record, state, error: shown, endedAt })
    return this.record
  }

  /** A line that is lost harms nothing, so a failing log never stops the work. */
  line(text: string): Promise<unknown> {
    const at = this.#ports.clock.now()
    const { taskId } = this.record
    this.#ports.onEvent?.({ type: 'log', taskId, at, line: text })
    this.#lines = this.#lines.then(() => this.#ports.tasks.appendLog(taskId, text)).catch(() => undefined)
    return this.#lines
  }

  io(index: number, signal: AbortSignal): StepIo {
    return {
      signal,
      log: (line) => void this.line(line),
      // shown at once, persisted with the next transition: a phase is display, not truth
      progress: (phase, share) => {
        const text = share === undefined ? phase : `${phase} ${Math.floor(share * 100)} %`
        this.record = { ...this.record, steps: this.record.steps.map((s, i) => (i === index ? { ...s, phase: text } : s)) }
        this.#ports.onEvent?.({ type: 'task', task: this.record })
      },
    }
  }

  get clock(): Clock {
    return this.#ports.clock
  }
}

async function open<Context>(request: TaskRequest<Context>, ports: TaskPorts): Promise<Job> {
  const { items } = await ports.tasks.list({ subject: request.subject, limit: 20 })
  const newest = items.find((t) => t.kind === request.kind)
  const open = newest?.state === 'running' || newest?.state === 'interrupted'
  const former = open || (request.resumeFailed === true && newest?.state === 'failed') ? newest : undefined
  const steps = request.steps.map((step) => {
    const before = former?.steps.find((s) => s.name === step.name)
    const fresh = { name: step.name, startedAt: null, endedAt: null, phase: null }
    // with the first write: a kill must not make a person choose twice
    if (step.skippable === true && request.skip?.includes(step.name) === true) return { ...fresh, state: 'skipped' as const }
    return before === undefined || before.state === 'failed' ? { ...fresh, state: 'waiting' as const } : before
  })
  const record: TaskRecord = {
    taskId: former?.taskId ?? randomUUID(),
    kind: request.kind,
    subject: request.subject,
    state: 'running',
    steps,
    error: null,
    attempt: (former?.attempt ?? 0) + 1,
    createdAt: former?.createdAt ?? ports.clock.now(),
    endedAt: null,
  }
  const job = new Job(record, ports)
  await job.begin().catch((error: unknown) => {
    throw error instanceof StoreFailure ? error.cause : error
  })
  return job
}

async function forward<Context>(job: Job, request: TaskRequest<Context>, step: Step<Context>, index: number): Promise<void> {
  if (job.record.steps[index]?.state === 'skipped') {
    await job.line(`${step.name}: skipped`)
    return
  }
  const policy = request.retry ?? once
  const signal = request.signal ?? new AbortController().signal
  for (let failures = 0; ;) {
    signal.throwIfAborted()
    try {
      if (await step.check(request.context)) {
        if (job.record.steps[index]?.state !== 'done') await job.step(index, 'done')
        return
      }
      await job.step(index, 'running')
      await step.run(request.context, job.io(index, signal))
      await job.step(index, 'done')
      return
    } catch (error) {
      if (error instanceof StoreFailure || signal.aborted) throw error
      failures += 1
      if (failures >= policy.attempts || !mayPass(error)) {
        await job.step(index, 'failed')
        throw error
      }
      await job.line(`${step.name}: ${asAppError(error).title}. Trying again.`)
      await job.clock.wait(backOffSeconds(policy, failures) * 1000, signal)
    }
  }
}

async function takeBack<Context>(job: Job, request: TaskRequest<Context>, cause: AppError | null): Promise<TaskRecord> {
  const signal = request.signal ?? new AbortController().signal
  try {
    for (const [index, step] of [...request.steps.entries()].toReversed()) {
      if (step.undo === undefined || job.record.steps[index]?.state === 'undone') continue
      signal.throwIfAborted()
      await job.step(index, 'undoing')
      await step.undo(request.context, job.io(index, signal))
      await job.step(index, 'undone')
    }
    return await job.end('undone', cause)
  } catch (error) {
    if (error instanceof StoreFailure) throw error.cause
    if (signal.aborted) return await job.end('interrupted', cause)
    return await job.end('failed', asAppError(error))
  }
}

/** What a person may read of a failure: an AppError as it is, all else as a plain `step-failed`. */
function asAppError(error: unknown): AppError {
  return findAppError(error) ?? new AppError({ code: 'step-failed', detail: 'A step ended unexpectedly.', cause: error })
}
