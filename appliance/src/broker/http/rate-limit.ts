import { parseCidr } from 'wireguard-ts/address'
import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'

interface Bucket {
  tokens: number
  at: number
}

const most = 50_000

/**
 * So many requests a minute for each key, with a burst of as many. Memory is bounded: beyond 50,000 keys the oldest are forgotten,
 * and the limit over all keys still holds.
 */
export class RateLimit {
  readonly #clock: Clock
  readonly #perMinute: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock
    this.#perMinute = perMinute
  }

  /** Throws `too-many-requests` with the time to wait. */
  take(key: string): void {
    const now = this.#clock.monotonicMs()
    const old = this.#buckets.get(key) ?? { tokens: this.#perMinute, at: now }
    const tokens = Math.min(this.#perMinute, old.tokens + ((now - old.at) * this.#perMinute) / 60_000)
    this.#buckets.delete(key)
    this.#buckets.set(key, { tokens: Math.max(0, tokens - 1), at: now })
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > most && oldest !== undefined) this.#buckets.delete(oldest)
    if (tokens >= 1) return
    const retryAfterSeconds = Math.max(1, Math.ceil(((1 - tokens) * 60) / this.#perMinute))
    throw new AppError({
      code: 'too-many-requests',
      detail: `More than ${this.#perMinute} requests a minute.`,
      retryAfterSeconds,
    })
  }
}

/** The source that a limit counts: IPv4 as it is, IPv6 by its /64, which one asker has anyway. */
export function sourceOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  if (!plain.includes(':')) return plain
  return parseCidr(`${plain.split('%')[0] ?? ''}/64`)
}
