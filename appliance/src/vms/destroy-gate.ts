import { z } from 'zod'
import type { Clock } from '../clock/clock.ts'
import type { DestroyRepository } from '../store/destroys.ts'
import type { SettingRepository } from '../store/settings.ts'
import { Slots } from './slots.ts'

const day = 86_400
const setting = 'destroys-allowed-by-operator'

/** How many delivered VMs may be destroyed in 24 hours without the operator: max(minimum, 2 %). Source: design.md §6. */
export function destroysPerDay(minimum: number, vmCount: number): number {
  return Math.max(minimum, Math.floor(vmCount * 0.02))
}

/**
 * Counts destroys over 24 hours, restarts included, and holds back what is too many. A mark that was let through stays so: a
 * destroy that was killed in its middle goes on.
 */
export class DestroyGate {
  readonly #destroys: DestroyRepository
  readonly #settings: Pick<SettingRepository, 'get' | 'put'>
  readonly #clock: Clock
  readonly #minimum: number
  readonly #one = new Slots(1)

  constructor(ports: {
    destroys: DestroyRepository
    settings: Pick<SettingRepository, 'get' | 'put'>
    clock: Clock
    minimum: number
  }) {
    this.#destroys = ports.destroys
    this.#settings = ports.settings
    this.#clock = ports.clock
    this.#minimum = ports.minimum
  }

  /** Lets the mark through and writes that down, or answers false. */
  pass(mark: string, reason: string, vmCount: number): Promise<boolean> {
    return this.#one.run(new AbortController().signal, async () => {
      if (await this.#destroys.has(mark)) return true
      const allowed = (await this.#allowed()).includes(mark)
      if (!allowed && (await this.#destroys.countSince(this.#clock.now() - day)) >= destroysPerDay(this.#minimum, vmCount)) {
        return false
      }
      await this.#destroys.record(mark, reason)
      return true
    })
  }

  /** The operator lets these marks through, whatever the count. */
  async allow(marks: readonly string[]): Promise<void> {
    await this.#settings.put(setting, [...new Set([...(await this.#allowed()), ...marks])])
  }

  async #allowed(): Promise<string[]> {
    return (await this.#settings.get(setting, z.array(z.string()))) ?? []
  }
}
