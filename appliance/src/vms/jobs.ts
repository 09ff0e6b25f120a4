import type { VmId } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import { backOffSeconds, type RetryPolicy } from '../steps/retry.ts'

/** After a failed job: soon at first, then every two minutes. */
export const jobBackOff: RetryPolicy = { attempts: Number.POSITIVE_INFINITY, firstSeconds: 2, factor: 2, longestSeconds: 120 }

/** How the last job of a VM failed, until one succeeds. */
export interface JobFailure {
  kind: string
  detail: string
  failures: number
  /** By the monotonic clock: no new try of the loop's own before. */
  notBeforeMs: number
}

/** At most one job per VM, and none again too soon after a failure. All of it is in memory: the world is the truth. */
export class Jobs {
  readonly #running = new Map<VmId, { kind: string; ended: Promise<void> }>()
  readonly #failed = new Map<VmId, JobFailure>()
  readonly #backOff: RetryPolicy

  constructor(backOff: RetryPolicy = jobBackOff) {
    this.#backOff = backOff
  }

  kindOf(id: VmId): string | undefined {
    return this.#running.get(id)?.kind
  }

  get running(): { vmId: VmId; kind: string }[] {
    return [...this.#running].map(([vmId, { kind }]) => ({ vmId, kind }))
  }

  failure(id: VmId): JobFailure | undefined {
    return this.#failed.get(id)
  }

  isBackingOff(id: VmId, nowMs: number): boolean {
    const failed = this.#failed.get(id)
    return failed !== undefined && nowMs < failed.notBeforeMs
  }

  /** Milliseconds until the first VM may be tried again; undefined if none waits. */
  nextTryMs(nowMs: number): number | undefined {
    const waits = [...this.#failed].filter(([id]) => !this.#running.has(id)).map(([, f]) => f.notBeforeMs - nowMs)
    return waits.length === 0 ? undefined : Math.max(0, Math.min(...waits))
  }

  succeeded(id: VmId): void {
    this.#failed.delete(id)
  }

  failedWith(id: VmId, kind: string, detail: string, nowMs: number): void {
    const failures = (this.#failed.get(id)?.failures ?? 0) + 1
    this.#failed.set(id, { kind, detail, failures, notBeforeMs: nowMs + backOffSeconds(this.#backOff, failures) * 1000 })
  }

  /** Begins work on a VM. Throws AppError `task-running` if there is some. `work` must not reject. */
  begin(id: VmId, kind: string, work: () => Promise<void>): void {
    const present = this.kindOf(id)
    if (present !== undefined) {
      throw new AppError({ code: 'task-running', detail: `VM ${id} is busy with ${present}.` })
    }
    const ended = Promise.resolve()
      .then(work)
      .finally(() => this.#running.delete(id))
    this.#running.set(id, { kind, ended })
  }

  /** Resolves when no job runs any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running.values()].map((j) => j.ended))
  }
}
