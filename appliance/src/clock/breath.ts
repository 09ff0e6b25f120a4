import { setImmediate as nextTurn } from 'node:timers/promises'

/** How long one piece of work may keep all others of this process waiting, ms. */
const longestMs = 5

/**
 * For loops over thousands of things: `if (breath.due) await breath.take()` lets requests and answers that have come meanwhile
 * have their turn. What was looked at before may have changed after it.
 */
export class Breath {
  #since = performance.now()

  /** True once the loop has kept everybody else waiting long enough. */
  get due(): boolean {
    return performance.now() - this.#since >= longestMs
  }

  async take(): Promise<void> {
    await nextTurn()
    this.#since = performance.now()
  }
}
