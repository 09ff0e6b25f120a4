import { AppError } from '../../errors/app-error.ts'
import type { Inventory } from './inventory.ts'
import type { Journal } from './journal.ts'

/**
 * Ids of our range that nobody has: neither a VM that the token sees, nor one that it does not, nor a create under way.
 * Another client may still be faster: "already exists" is then told by the server, and the next one is tried.
 */
export class Ids {
  readonly #inventory: Inventory
  readonly #journal: Journal
  readonly #range: { from: number; to: number }
  readonly #held = new Set<number>()

  constructor(inventory: Inventory, journal: Journal, range: { from: number; to: number }) {
    this.#inventory = inventory
    this.#journal = journal
    this.#range = range
  }

  /** Throws `capacity-exceeded` if the range is used up. The id is held until `release`. */
  async take(): Promise<number> {
    const { vms } = await this.#inventory.overview()
    const taken = new Set([...vms.map((vm) => vm.vmid), ...this.#journal.promisedIds, ...this.#held])
    for (let id = this.#range.from; id <= this.#range.to; id++) {
      if (taken.has(id) || this.#held.has(id)) continue
      // held before the question: two creates at once get two ids
      this.#held.add(id)
      if (!(await this.#inventory.idTaken(id))) return id
    }
    throw new AppError({
      code: 'capacity-exceeded',
      detail: `All ids from ${this.#range.from} to ${this.#range.to} are taken.`,
      hint: 'Set a wider range of ids, and enrol again so that other tools stay out of it.',
    })
  }

  release(id: number): void {
    this.#held.delete(id)
  }
}
