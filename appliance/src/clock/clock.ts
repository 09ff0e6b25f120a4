/** Seconds since 1970-01-01 UTC, whole. */
export type UnixSeconds = number

/** Time as the daemon sees it. Rules take `now`; only the edge asks the clock. */
export interface Clock {
  /** Wall time in whole seconds. */
  now(): UnixSeconds
  /** Milliseconds that only ever grow, for durations and expiries in memory. */
  monotonicMs(): number
  /** Resolves after `ms` of real time, or at once when `signal` aborts. Never rejects. */
  wait(ms: number, signal?: AbortSignal): Promise<void>
}

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(done, ms)
  signal?.addEventListener('abort', done, { once: true })
  function done(): void {
    clearTimeout(timer)
    signal?.removeEventListener('abort', done)
    resolve()
  }
  return promise
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Math.floor(Date.now() / 1000),
  monotonicMs: () => performance.now(),
  wait,
}

/** A clock that can be moved forward: the machine's clock plus an offset. Used by tests and by `freehold dev advance`. */
export class MovableClock implements Clock {
  #offsetSeconds: number

  constructor(offsetSeconds = 0) {
    this.#offsetSeconds = offsetSeconds
  }

  get offsetSeconds(): number {
    return this.#offsetSeconds
  }

  /** Moves the clock forward. Throws RangeError for a negative distance: time never runs back. */
  advance(seconds: number): void {
    if (!(seconds >= 0)) throw new RangeError('a clock moves forward only')
    this.#offsetSeconds += seconds
  }

  now(): UnixSeconds {
    return systemClock.now() + this.#offsetSeconds
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#offsetSeconds * 1000
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return wait(ms, signal)
  }
}
