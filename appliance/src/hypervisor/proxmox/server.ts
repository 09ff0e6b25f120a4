import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import type { VerbOptions } from '../port.ts'
import { upid, type Upid } from './answers.ts'
import type { PveClient } from './client.ts'
import { Gate } from './gate.ts'
import type { Journal } from './journal.ts'
import { withPatience } from './patience.ts'
import { isBareRefusal, isLockBusy, mayHaveHappened, PveError, toAppError } from './pve-error.ts'
import { Tasks, type TaskWatch } from './tasks.ts'

/** How often work whose outcome was not known is looked at and taken up again before its error is told. */
const rounds = 4
/** A worker may be forked up to 10 s after the connection was lost: it waits for a lock. */
const settleMs = 12_000

/** What the parts of the driver share: calls, tasks that survive a restart, locks, and the rule for unknown outcomes. */
export class PveServer {
  readonly client: PveClient
  readonly clock: Clock
  readonly tasks: Tasks
  readonly journal: Journal
  readonly pace: number
  /** One writer per VM. */
  readonly writers = new Gate(1)
  /** At most two allocations per storage, each until its task has ended. */
  readonly allocations = new Gate(2)

  constructor(client: PveClient, clock: Clock, journal: Journal, pace: number) {
    this.client = client
    this.clock = clock
    this.journal = journal
    this.pace = pace
    this.tasks = new Tasks(client, clock, pace)
  }

  /** Waits for a task that was just begun; its UPID is on disk before the first poll. */
  async follow(task: Upid, about: string, watch: TaskWatch): Promise<void> {
    await this.journal.addTask(task, about)
    try {
      await this.tasks.wait(task, watch)
    } catch (error) {
      // whose end was not seen stays in the journal
      if (error instanceof PveError && error.kind === 'task-failed') await this.journal.removeTask(task)
      throw error
    }
    await this.journal.removeTask(task)
  }

  /** Waits for what an earlier process has begun for `about`. How it ended is seen in the world afterwards. */
  async finishFormer(about: string, limitMs: number, signal?: AbortSignal): Promise<void> {
    for (const task of this.journal.tasksOf(about)) {
      try {
        await this.tasks.wait(upid.parse(task), { limitMs: limitMs * Math.max(this.pace, 0.02), signal })
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof PveError)) throw error
        if (error.kind === 'unreachable' || error.kind === 'unauthorized' || error.kind === 'forbidden') throw error
      }
      await this.journal.removeTask(task)
    }
  }

  /**
   * Makes a level true: looks (`done`), acts, waits for the task, looks again. An outcome that is not known, a lock or another
   * client's work lead to another look, never to a blind second try. Throws the last error when the level is still not reached.
   */
  async reach(level: {
    about: string
    node: string
    vmid: number | undefined
    done: () => Promise<boolean>
    act: () => Promise<Upid | undefined>
    watch: TaskWatch
    /** The storage that is written to: its place is held until the task has ended. */
    allocates?: string
  }): Promise<void> {
    const begin = async () => {
      const task = await level.act()
      if (task !== undefined) await this.follow(task, level.about, level.watch)
    }
    let last: unknown
    for (let round = 0; round < rounds; round++) {
      level.watch.signal?.throwIfAborted()
      if (await level.done()) return
      try {
        await withPatience(
          this.clock,
          this.pace,
          async () => {
            if (last !== undefined && (await level.done())) return
            await (level.allocates === undefined ? begin() : this.allocations.run(level.allocates, begin))
          },
          { signal: level.watch.signal },
        )
        last = undefined
      } catch (error) {
        last = error
        if (!mayHaveHappened(error) && !isLockBusy(error)) {
          if (error instanceof PveError && (error.kind === 'task-failed' || error.kind === 'refused') && (await level.done()))
            return
          throw error
        }
        if (level.vmid !== undefined) await this.tasks.quiet(level.node, level.vmid, settleMs, level.watch.signal)
      }
    }
    if (await level.done()) return
    throw last ?? new PveError({ kind: 'task-unknown', call: level.about, reason: 'the server says it is done, and it is not' })
  }
}

/**
 * Runs what may throw a PveError; a person gets words for it: what could not be done. `requireAll` is asked when the server says
 * no more than that something is missing: it throws what is, or nothing.
 */
export async function explained<T>(action: string, work: () => Promise<T>, requireAll?: () => Promise<void>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof PveError)) throw error
    if (requireAll !== undefined && isBareRefusal(error)) {
      await requireAll().catch((named: unknown) => {
        // a question that fails says nothing about the one before
        if (named instanceof AppError) throw named
      })
    }
    throw toAppError(error, action)
  }
}

/** What a task is waited for with, from what a verb was told. */
export function watchOf(limitMs: number, phase: string, verb: VerbOptions): TaskWatch {
  return { limitMs, phase, signal: verb.signal, progress: verb.progress }
}
