import { hash, randomBytes } from 'node:crypto'
import { NameSet } from './name-set.ts'

/**
 * Remembers which sealed requests have been. A request is named by its key and encapsulated secret: the same pair twice is the
 * same bytes again. Bounded: when full it refuses new ones rather than forgetting old ones.
 */
export class ReplayGuard {
  /** By key id, so that a forgotten key takes its entries along. */
  readonly #seen = new Map<string, NameSet>()
  readonly #most: number
  /** Names are short: nobody who does not have this can make two requests of one name. */
  readonly #secret = randomBytes(32)
  #size = 0

  constructor(most = 1_000_000) {
    this.#most = most
  }

  get size(): number {
    return this.#size
  }

  /** `fresh` and remembered; `replayed`; or `full`, and nothing remembered. */
  note(kid: string, enc: Uint8Array): 'fresh' | 'replayed' | 'full' {
    const name = this.#nameOf(enc)
    const seen = this.#seen.get(kid) ?? new NameSet()
    if (seen.has(name)) return 'replayed'
    if (this.#size >= this.#most) return 'full'
    seen.add(name)
    this.#seen.set(kid, seen)
    this.#size += 1
    return 'fresh'
  }

  /** Forgets a request that was refused before anything of it ran: it may come again. Nothing if it is not known. */
  forget(kid: string, enc: Uint8Array): void {
    if (this.#seen.get(kid)?.delete(this.#nameOf(enc)) === true) this.#size -= 1
  }

  /** Forgets all of keys that cannot open anything any more. */
  keep(kids: readonly string[]): void {
    for (const [kid, seen] of this.#seen) {
      if (kids.includes(kid)) continue
      this.#seen.delete(kid)
      this.#size -= seen.size
    }
  }

  /** 64 bits: among a million of them the next request is taken for a former one in one of 2^44 cases. */
  #nameOf(enc: Uint8Array): Uint8Array {
    return hash('sha256', Buffer.concat([this.#secret, enc]), 'buffer').subarray(0, 8)
  }
}
