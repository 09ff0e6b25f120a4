import type { Clock } from '../clock/clock.ts'

/** What is shared out: calls at once and bytes of memory for all. */
export interface Budget {
  concurrent: number
  memoryBytes: number
  /** Calls that may wait. */
  waiting: number
  /** Calls of one key that may wait. */
  waitingPerKey: number
}

/** Why a call was not taken. `capacity`: ours, come again. `rate`: this key already has too much waiting. */
export type Refusal = { kind: 'capacity' | 'rate'; retryAfterSeconds: number }

/** How often smaller calls of others may pass one that waits for memory; after that they wait behind it. */
const overtakesAllowed = 16

interface Waiting {
  memoryBytes: number
  overtaken: number
  start(): void
}

/** A place under the budget; give it back exactly once (a second time does nothing). */
export interface Place {
  waitedMs: number
  release(): void
}

/**
 * Admits calls under a budget. Keys take turns, one call each, so that a key with a thousand calls delays another by one call at
 * most. A call that is larger than the whole budget is never admitted.
 */
export class FairQueue {
  readonly #budget: Budget
  readonly #clock: Clock
  /** By key, in the order of their turns. */
  readonly #queues = new Map<string, Waiting[]>()
  #running = 0
  #memory = 0
  #waiting = 0

  constructor(budget: Budget, clock: Clock) {
    this.#budget = budget
    this.#clock = clock
  }

  get state(): { running: number; waiting: number; memoryBytes: number } {
    return { running: this.#running, waiting: this.#waiting, memoryBytes: this.#memory }
  }

  /** Resolves with a place or a refusal; an aborted signal leaves the queue. Never rejects. */
  async enter(key: string, memoryBytes: number, signal?: AbortSignal): Promise<Place | Refusal | undefined> {
    const { waiting, waitingPerKey, memoryBytes: most } = this.#budget
    if (memoryBytes > most) return { kind: 'capacity', retryAfterSeconds: 60 }
    const own = this.#queues.get(key) ?? []
    const mustWait = this.#waiting > 0 || !this.#fits(memoryBytes)
    if (mustWait && own.length >= waitingPerKey) return { kind: 'rate', retryAfterSeconds: 1 }
    if (mustWait && this.#waiting >= waiting) return { kind: 'capacity', retryAfterSeconds: 1 }
    if (!mustWait && signal?.aborted !== true) {
      this.#take(memoryBytes)
      return this.#place(memoryBytes, 0)
    }
    const asked = this.#clock.monotonicMs()
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const entry: Waiting = { memoryBytes, overtaken: 0, start: () => resolve(true) }
    this.#queues.set(key, [...own, entry])
    this.#waiting += 1
    const leave = (): void => {
      if (this.#remove(key, entry)) resolve(false)
    }
    signal?.addEventListener('abort', leave, { once: true })
    if (signal?.aborted === true) leave()
    this.#next()
    const started = await promise
    signal?.removeEventListener('abort', leave)
    if (!started) return undefined
    return this.#place(memoryBytes, this.#clock.monotonicMs() - asked)
  }

  #take(memoryBytes: number): void {
    this.#running += 1
    this.#memory += memoryBytes
  }

  #place(memoryBytes: number, waitedMs: number): Place {
    let held = true
    return {
      waitedMs,
      release: () => {
        if (!held) return
        held = false
        this.#running -= 1
        this.#memory -= memoryBytes
        this.#next()
      },
    }
  }

  #fits(memoryBytes: number): boolean {
    return this.#running < this.#budget.concurrent && this.#memory + memoryBytes <= this.#budget.memoryBytes
  }

  /** Starts what fits, one key after the other; who is passed too often holds the door until there is room. */
  #next(): void {
    const passed: Waiting[] = []
    for (let looked = 0; looked < this.#queues.size;) {
      const [turn] = this.#queues
      if (turn === undefined) return
      const [key, entries] = turn
      const [first] = entries
      if (first !== undefined && !this.#fits(first.memoryBytes)) {
        if (first.overtaken >= overtakesAllowed) return
        passed.push(first)
        looked += 1
        this.#queues.delete(key)
        this.#queues.set(key, entries)
        continue
      }
      this.#queues.delete(key)
      if (first === undefined) continue
      this.#take(first.memoryBytes)
      this.#waiting -= 1
      for (const one of passed) one.overtaken += 1
      if (entries.length > 1) this.#queues.set(key, entries.slice(1))
      looked = 0
      passed.length = 0
      first.start()
    }
  }

  #remove(key: string, entry: Waiting): boolean {
    const entries = this.#queues.get(key)
    if (entries?.includes(entry) !== true) return false
    const rest = entries.filter((one) => one !== entry)
    if (rest.length === 0) this.#queues.delete(key)
    else this.#queues.set(key, rest)
    this.#waiting -= 1
    return true
  }
}
