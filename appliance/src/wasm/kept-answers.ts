import { createHash } from 'node:crypto'
import type { Clock } from '../clock/clock.ts'
import type { ExecuteBody } from './execute-body.ts'
import { WasmRefusal } from './wasm-error.ts'

/** What was answered, as it went out: results in it are still sealed. */
export interface KeptAnswer {
  status: number
  body: unknown
}

interface Kept {
  bodyHash: string
  atMs: number
  answer: Promise<KeptAnswer>
}

const keptMs = 600_000
const keptAtMost = 2000

/**
 * Answers by `Idempotency-Key`, so that a caller whose line broke may ask again without running or paying twice. In memory and
 * for ten minutes: after that, and after a restart, the replay guard refuses the same request.
 */
export class KeptAnswers {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #kept = new Map<string, Kept>()

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  /**
   * The answer of the first request under this key; one that is still under way is waited for. Throws `INVALID_REQUEST` where
   * the key was used for another body.
   */
  async once(
    apiKeyId: string,
    idempotencyKey: string,
    { value, program }: ExecuteBody,
    run: () => Promise<KeptAnswer>,
  ): Promise<KeptAnswer> {
    this.#sweep()
    const name = `${apiKeyId} ${idempotencyKey}`
    const bodyHash = createHash('sha256')
      .update(JSON.stringify(value))
      .update(program ?? '')
      .digest('base64')
    const found = this.#kept.get(name)
    if (found !== undefined) {
      if (found.bodyHash === bodyHash) return await found.answer
      throw new WasmRefusal('INVALID_REQUEST', { detail: 'This Idempotency-Key was used for another request.' })
    }
    const answer = run()
    this.#kept.set(name, { bodyHash, atMs: this.#clock.monotonicMs(), answer })
    try {
      return await answer
    } catch (error) {
      // nothing ran: the same key may be tried again
      this.#kept.delete(name)
      throw error
    }
  }

  #sweep(): void {
    const now = this.#clock.monotonicMs()
    for (const [name, { atMs }] of this.#kept) {
      if (now - atMs < keptMs && this.#kept.size < keptAtMost) return
      this.#kept.delete(name)
    }
  }
}
