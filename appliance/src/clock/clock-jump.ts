import type { Clock } from './clock.ts'

/** A clock may be set by so much without anybody minding: slewing and leap seconds are less. */
const mindedSeconds = 60

/** Notices that the wall clock was set, or that the machine slept, between two looks: a wait by it proves nothing then. */
export class ClockJump {
  readonly #clock: Clock
  #wall: number
  #monotonicMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#wall = clock.now()
    this.#monotonicMs = clock.monotonicMs()
  }

  /** Seconds by which the wall clock went another way than time since the last look; 0 for less than a minute. */
  look(): number {
    const [wall, monotonicMs] = [this.#clock.now(), this.#clock.monotonicMs()]
    const jump = wall - this.#wall - Math.round((monotonicMs - this.#monotonicMs) / 1000)
    this.#wall = wall
    this.#monotonicMs = monotonicMs
    return Math.abs(jump) > mindedSeconds ? jump : 0
  }
}
