import { Executor, type CallEnd } from './executor.ts'
import type { EngineOptions, ExecutorCall } from './messages.ts'

export interface PoolOptions {
  /** Processes. */
  workers: number
  engine: EngineOptions
  /** Milliseconds beyond a call's deadline after which its executor counts as hung and is replaced. Default 30 000. */
  hungAfterMs?: number
  /** Told when an executor died and another takes its place. */
  onRestart?(): void
}

/** Keeps as many executors alive as asked for, gives each call to the least busy one, replaces those that die. */
export class ExecutorPool {
  readonly #options: PoolOptions
  readonly #executors = new Set<Executor>()
  #closed = false
  restarts = 0

  constructor(options: PoolOptions) {
    this.#options = options
    for (let n = 0; n < options.workers; n += 1) this.#start()
  }

  /** The engine's compatibility, when the first executor is ready. */
  async compatibility(): Promise<string> {
    return await Promise.any([...this.#executors].map((executor) => executor.ready))
  }

  /** Resolves when every executor that lives now takes calls; rejects if one ends before. */
  async allReady(): Promise<void> {
    await Promise.all([...this.#executors].map((executor) => executor.ready))
  }

  get load(): number {
    return [...this.#executors].reduce((sum, executor) => sum + executor.load, 0)
  }

  /** Executors that take calls at once; others are starting. */
  get ready(): number {
    return [...this.#executors].filter((executor) => executor.takesCalls).length
  }

  get pids(): number[] {
    return [...this.#executors].flatMap((executor) => executor.pid ?? [])
  }

  /** Never rejects. An aborted signal ends the call at its next slice. */
  async run(call: ExecutorCall, artifact: Uint8Array, signal?: AbortSignal): Promise<CallEnd> {
    const executor = this.#leastBusy()
    if (executor === undefined) return { kind: 'lost' }
    const { id, end } = executor.run(call, artifact)
    const onAbort = (): void => executor.cancel(id)
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    return await end.finally(() => signal?.removeEventListener('abort', onAbort))
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#executors].map((executor) => executor.stop()))
  }

  #leastBusy(): Executor | undefined {
    const alive = [...this.#executors].filter((one) => one.alive)
    // one that is starting has the least to do, and a call would wait for its start
    const ready = alive.filter((one) => one.takesCalls)
    const [best] = (ready.length > 0 ? ready : alive).toSorted((a, b) => a.load - b.load)
    return best
  }

  #start(): void {
    const executor = new Executor(this.#options.engine, this.#options.hungAfterMs)
    this.#executors.add(executor)
    const started = performance.now()
    void executor.ended.then(() => {
      this.#executors.delete(executor)
      if (this.#closed) return
      this.restarts += 1
      this.#options.onRestart?.()
      // one that cannot even start is not started in a tight circle
      if (performance.now() - started > 1000) this.#start()
      else setTimeout(() => this.#closed || this.#start(), 250).unref()
    })
  }
}
