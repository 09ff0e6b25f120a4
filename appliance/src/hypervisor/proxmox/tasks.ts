import type { Clock } from '../../clock/clock.ts'
import type { Progress } from '../port.ts'
import { taskLog, tasks, taskStatus, type Upid } from './answers.ts'
import type { PveClient } from './client.ts'
import { PveError } from './pve-error.ts'

/** How long the server's own verbs may take before their outcome counts as unknown, in ms. */
export const taskLimitsMs = {
  start: 60_000,
  stop: 60_000,
  shutdown: 150_000,
  clone: 30 * 60_000,
  create: 30 * 60_000,
  template: 5 * 60_000,
  destroy: 5 * 60_000,
  snapshot: 10 * 60_000,
  rollback: 10 * 60_000,
  upload: 30 * 60_000,
  resize: 60_000,
  delete: 60_000,
} as const

/** A record of a task may appear a little after its UPID was given out. */
const lateRecordMs = 10_000
const firstPollMs = 300
const lastPollMs = 2000
const logLines = 500
const keptLines = 20

/** How tasks are waited for; `pace` 1 is real time, tests take less. */
export interface TaskWatch {
  limitMs: number
  signal?: AbortSignal | undefined
  progress?: Progress | undefined
  phase?: string
}

/** Waits for tasks of the server, over lost answers and restarts. */
export class Tasks {
  readonly #client: PveClient
  readonly #clock: Clock
  readonly #pace: number

  constructor(client: PveClient, clock: Clock, pace = 1) {
    this.#client = client
    this.#clock = clock
    this.#pace = pace
  }

  /**
   * Resolves when the task ended well (`OK`, or `WARNINGS: n`). Throws PveError `task-failed` with the last lines of its log,
   * `task-unknown` when its time is over or the server has no record of it. May be called again with the same UPID.
   */
  async wait(upid: Upid, watch: TaskWatch): Promise<void> {
    const begun = this.#clock.monotonicMs()
    let pause = firstPollMs
    for (;;) {
      watch.signal?.throwIfAborted()
      const state = await this.#look(upid, this.#clock.monotonicMs() - begun)
      if (state.ended) {
        if (isSuccess(state.exit)) return
        throw new PveError({ kind: 'task-failed', call: upid, reason: state.exit, cause: new Error(await this.lastLines(upid)) })
      }
      if (this.#clock.monotonicMs() - begun > watch.limitMs) {
        throw new PveError({ kind: 'task-unknown', call: upid, reason: `not ended within ${watch.limitMs} ms` })
      }
      watch.progress?.(watch.phase ?? 'working')
      await this.#clock.wait(Math.max(2, pause * this.#pace), watch.signal)
      pause = Math.min(lastPollMs, pause * 1.5)
    }
  }

  async #look(upid: Upid, ageMs: number): Promise<{ ended: false } | { ended: true; exit: string }> {
    try {
      const { status, exitstatus } = await this.#client.get(`${taskPath(upid)}/status`, taskStatus)
      return status === 'running' ? { ended: false } : { ended: true, exit: exitstatus ?? 'unexpected status' }
    } catch (error) {
      if (!(error instanceof PveError)) throw error
      if (error.kind === 'refused' && /no such task/.test(error.text)) {
        if (ageMs <= lateRecordMs * Math.max(this.#pace, 0.01)) return { ended: false }
        throw new PveError({ kind: 'task-unknown', call: upid, reason: 'the server has no record of this task', cause: error })
      }
      // an answer that does not come says nothing about the task
      if (error.kind === 'unreachable' || error.kind === 'unknown-outcome') return { ended: false }
      throw error
    }
  }

  /** The last lines of a task's log; empty if it cannot be read. */
  async lastLines(upid: string): Promise<string> {
    try {
      const lines = await this.#client.get(`${taskPath(upid)}/log`, taskLog, { limit: logLines })
      return lines
        .slice(-keptLines)
        .map((line) => line.t)
        .join('\n')
    } catch {
      return ''
    }
  }

  /** Tasks of a VM that run now. A clone stands under the VM that is cloned. */
  async running(node: string, vmid: number): Promise<string[]> {
    const found = await this.#client.get(`/nodes/${node}/tasks`, tasks, { vmid, source: 'active', limit: logLines })
    return found.filter((task) => task.endtime === undefined).map((task) => task.upid)
  }

  /** The running clone that makes `newid`, if there is one. A worker that has not written yet what it makes is waited for. */
  async runningClone(node: string, source: number, newid: number): Promise<Upid | undefined> {
    for (;;) {
      let silent = false
      for (const upid of await this.running(node, source)) {
        if (!upid.includes(':qmclone:')) continue
        const log = await this.#client.get(`${taskPath(upid)}/log`, taskLog, { limit: logLines })
        const made = log
          .map((line) => /^creating a clone of VM \d+ with ID (\d+)$/.exec(line.t)?.[1])
          .find((id) => id !== undefined)
        if (made === String(newid)) return upid as Upid
        if (made === undefined) silent = true
      }
      if (!silent) return undefined
      await this.#clock.wait(Math.max(2, firstPollMs * this.#pace))
    }
  }

  /** Resolves when no task of the VM runs any more, or the time is over. */
  async quiet(node: string, vmid: number, limitMs: number, signal?: AbortSignal): Promise<void> {
    const end = this.#clock.monotonicMs() + limitMs * Math.max(this.#pace, 0.02)
    while ((await this.running(node, vmid)).length > 0 && this.#clock.monotonicMs() < end) {
      await this.#clock.wait(Math.max(2, firstPollMs * this.#pace), signal)
      signal?.throwIfAborted()
    }
  }
}

function isSuccess(exit: string): boolean {
  return exit === 'OK' || /^WARNINGS: \d+$/.test(exit)
}

/** The address of a task: its node stands in the UPID, which is percent-encoded. */
export function taskPath(upid: string): string {
  return `/nodes/${upid.split(':')[1] ?? ''}/tasks/${encodeURIComponent(upid)}`
}
