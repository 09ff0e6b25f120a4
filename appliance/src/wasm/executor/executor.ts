import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { EngineOptions, ExecutorCall, FromExecutor, Outcome, ToExecutor } from './messages.ts'
import { sandboxed } from './sandbox.ts'

/** How a call ended as the service sees it. `lost`: the executor died under it; nothing of it is known but that. */
export type CallEnd =
  | { kind: 'outcome'; outcome: Outcome }
  | { kind: 'refused'; code: string; message: string }
  | { kind: 'lost' }

interface Pending {
  call: ExecutorCall
  artifact: Uint8Array
  done(end: CallEnd): void
  /** Fires when the executor has not answered long after the call must have ended. */
  watchdog: NodeJS.Timeout
}

/**
 * Milliseconds beyond a call's own deadline after which its executor counts as hung and is killed. Long: machines of renters may
 * keep a healthy one from the processor for many seconds, and killing it takes every call in it.
 */
const hungAfterMsByDefault = 30_000

/** One forked process and the calls in it. */
export class Executor {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  readonly #hungAfterMs: number
  #next = 0
  /** Resolves with the engine's compatibility once the process takes calls; rejects if it ends before. */
  readonly ready: Promise<string>
  /** Resolves when the process is gone and all its calls have been answered `lost`. */
  readonly ended: Promise<void>
  #alive = true
  #takesCalls = false

  constructor(options: EngineOptions, hungAfterMs = hungAfterMsByDefault) {
    this.#hungAfterMs = hungAfterMs
    const [command = process.execPath, ...before] = sandboxed([
      process.execPath,
      '--max-old-space-size=128',
      '--max-semi-space-size=4',
      // else the first whole collection comes at 30 MB, which takes an hour or two and looks like a leak until then
      '--initial-old-space-size=8',
      '--heap-growing-percent=30',
    ])
    this.#child = fork(join(import.meta.dirname, 'executor-child.ts'), [JSON.stringify(options)], {
      env: {},
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execPath: command,
      execArgv: before,
    })
    const ready = Promise.withResolvers<string>()
    const ended = Promise.withResolvers<void>()
    this.ready = ready.promise
    this.ended = ended.promise
    this.#child.on('message', (message: FromExecutor) => {
      if (message.kind !== 'ready') return this.#hear(message)
      this.#takesCalls = true
      ready.resolve(message.compatibility)
    })
    const over = (): void => {
      if (!this.#alive) return
      this.#alive = false
      ready.reject(new Error('the executor ended before it was ready'))
      for (const id of this.#pending.keys()) this.#settle(id, { kind: 'lost' })
      ended.resolve()
    }
    // an executor that fails before anybody waits for it is no unhandled rejection
    ready.promise.catch(() => {})
    this.#child.on('exit', over).on('error', over)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get alive(): boolean {
    return this.#alive
  }

  /** It has started and lives. */
  get takesCalls(): boolean {
    return this.#alive && this.#takesCalls
  }

  /** Calls under way. */
  get load(): number {
    return this.#pending.size
  }

  /** Never rejects. The artifact travels only if the executor has not got it. */
  run(call: ExecutorCall, artifact: Uint8Array): { id: number; end: Promise<CallEnd> } {
    const id = (this.#next += 1)
    const { promise, resolve } = Promise.withResolvers<CallEnd>()
    if (!this.#alive) {
      resolve({ kind: 'lost' })
      return { id, end: promise }
    }
    const watchdog = setTimeout(() => this.kill(), call.milliseconds + this.#hungAfterMs)
    this.#pending.set(id, { call, artifact, done: resolve, watchdog })
    this.ready.then(
      () => this.#say({ kind: 'run', id, call }),
      () => {},
    )
    return { id, end: promise }
  }

  cancel(id: number): void {
    if (this.#pending.has(id)) this.#say({ kind: 'cancel', id })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Closes the channel: the process ends by itself. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.ended
  }

  #hear(message: Exclude<FromExecutor, { kind: 'ready' }>): void {
    const pending = this.#pending.get(message.id)
    if (pending === undefined) return
    switch (message.kind) {
      case 'missing':
        return this.#say({ kind: 'run', id: message.id, call: pending.call, artifact: pending.artifact })
      case 'refused':
        return this.#settle(message.id, { kind: 'refused', code: message.code, message: message.message })
      case 'done':
        return this.#settle(message.id, { kind: 'outcome', outcome: message.outcome })
    }
  }

  #settle(id: number, end: CallEnd): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    clearTimeout(pending.watchdog)
    pending.done(end)
  }

  #say(message: ToExecutor): void {
    // a channel that closes under us is an exit that follows
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}
