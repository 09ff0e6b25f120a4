import { systemClock, type Clock, type UnixSeconds } from '../clock/clock.ts'

/** A clock that stands until it is moved: for limits to the second, which a running one would cross by itself. Used by tests. */
export class StoppedClock implements Clock {
  readonly #began: UnixSeconds
  #seconds = 0

  constructor(began: UnixSeconds = systemClock.now()) {
    this.#began = began
  }

  /** Moves the clock forward by whole or broken seconds. */
  advance(seconds: number): void {
    this.#seconds += seconds
  }

  now(): UnixSeconds {
    return this.#began + Math.floor(this.#seconds)
  }

  monotonicMs(): number {
    return this.#seconds * 1000
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.wait(ms, signal)
  }
}
