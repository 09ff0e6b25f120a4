import type { Clock } from '../clock/clock.ts'

/** What a key may ask for in a second on average, and at once. */
export interface Rate {
  perSecond: number
  burst: number
}

/** The three things that a key is counted by. */
export interface Rates {
  requests: Rate
  bytes: Rate
  gas: Rate
}

/** What stands in the headers of an answer (draft-ietf-httpapi-ratelimit-headers-10). */
export interface RateState {
  /** Requests left now. */
  remaining: number
  /** Seconds until one more is there. */
  resetSeconds: number
  /** Seconds to wait, or null if this request is taken. */
  waitSeconds: number | null
}

interface Buckets {
  left: Record<keyof Rates, number>
  atMs: number
}

const names = ['requests', 'bytes', 'gas'] as const
const keysAtMost = 100_000

/**
 * Token buckets per key by count and by cost. Bytes are taken with the request, or as they come where it does not say how many; gas only when a run has ended, since nobody
 * knows it before: a bucket may be overdrawn, and then nothing is taken until it has filled again.
 */
export class RateLimits {
  readonly #rates: Rates
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #byKey = new Map<string, Buckets>()

  constructor(rates: Rates, clock: Pick<Clock, 'monotonicMs'>) {
    this.#rates = rates
    this.#clock = clock
  }

  /** Counts a request of so many bytes, or says how long to wait; what is refused costs nothing. */
  take(key: string, bytes: number): RateState {
    const buckets = this.#filled(key)
    const { left } = buckets
    const { requests, bytes: bytesRate, gas } = this.#rates
    const waits = [
      left.requests >= 1 ? 0 : (1 - left.requests) / requests.perSecond,
      left.bytes > 0 ? 0 : (1 - left.bytes) / bytesRate.perSecond,
      left.gas > 0 ? 0 : (1 - left.gas) / gas.perSecond,
    ]
    const wait = Math.max(...waits)
    if (wait === 0) {
      left.requests -= 1
      left.bytes -= bytes
    }
    return {
      remaining: Math.max(0, Math.floor(left.requests)),
      resetSeconds: Math.ceil(Math.max(wait, left.requests >= 1 ? 0 : (1 - left.requests) / requests.perSecond)),
      waitSeconds: wait === 0 ? null : Math.max(1, Math.ceil(wait)),
    }
  }

  /** Bytes of a request that did not say beforehand how many they are. */
  spendBytes(key: string, bytes: number): void {
    this.#filled(key).left.bytes -= bytes
  }

  /** Gas that a run of the key has used. */
  spend(key: string, gas: bigint): void {
    this.#filled(key).left.gas -= Number(gas)
  }

  /**
   * Time of a compiler, milliseconds. A second of it counts as much as the gas of a second: a key may keep one compiler busy, and
   * not two. It is no gas of the day.
   */
  spendCompiling(key: string, milliseconds: number): void {
    this.#filled(key).left.gas -= (milliseconds / 1000) * this.#rates.gas.perSecond
  }

  get policy(): string {
    const { requests } = this.#rates
    return `"requests";q=${requests.burst};w=${Math.max(1, Math.ceil(requests.burst / requests.perSecond))}`
  }

  #filled(key: string): Buckets {
    const now = this.#clock.monotonicMs()
    const found = this.#byKey.get(key)
    if (found === undefined) {
      const [oldest] = this.#byKey.keys()
      if (this.#byKey.size >= keysAtMost && oldest !== undefined) this.#byKey.delete(oldest)
      const fresh = { left: { requests: 0, bytes: 0, gas: 0 }, atMs: now }
      for (const name of names) fresh.left[name] = this.#rates[name].burst
      this.#byKey.set(key, fresh)
      return fresh
    }
    const seconds = Math.max(0, now - found.atMs) / 1000
    for (const name of names) {
      const { perSecond, burst } = this.#rates[name]
      found.left[name] = Math.min(burst, found.left[name] + seconds * perSecond)
    }
    found.atMs = now
    return found
  }
}
