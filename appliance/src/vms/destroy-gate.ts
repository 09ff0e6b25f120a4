import { z } from 'zod'
import type { ChainReader } from '../chain/port.ts'
import type { Clock } from '../clock/clock.ts'
import type { Hypervisor } from '../hypervisor/port.ts'
import type { DestroyRepository } from '../store/destroys.ts'
import type { SettingRepository } from '../store/settings.ts'
import { Slots } from './slots.ts'
import type { Ended } from './taking.ts'
import { untoldDestroys } from './untold-destroys.ts'

const day = 86_400
const setting = 'destroys-allowed-by-operator'

/** How many delivered VMs may be destroyed in 24 hours without the operator: max(minimum, 2 %). Source: design.md §6. */
export function destroysPerDay(minimum: number, vmCount: number): number {
  return Math.max(minimum, Math.floor(vmCount * 0.02))
}

interface Ports {
  destroys: DestroyRepository
  settings: Pick<SettingRepository, 'get' | 'put'>
  hypervisor: Pick<Hypervisor, 'list'>
  clock: Clock
  minimum: number
}

/**
 * Counts destroys over 24 hours, restarts included, and holds back what is too many. A mark that was let through stays so: a
 * destroy that was killed in its middle goes on.
 *
 * A clock that is set opens nothing: a destroy counts until a day has passed by our own clock and by that of the finalized
 * block. Nor does a database that is lost or old: what went without its knowledge is found by chain and hypervisor, once in the
 * life of a daemon, and counts as of then.
 */
export class DestroyGate {
  readonly #ports: Ports
  readonly #one = new Slots(1)
  /** Installations whose journal was compared with the chain in this life. */
  readonly #accounted = new Set<string>()

  constructor(ports: Ports) {
    this.#ports = ports
  }

  /** Lets the mark through and writes that down, or answers false. Throws AppError where chain or hypervisor do not answer. */
  pass(
    mark: string,
    ended: Ended,
    reader: Pick<ChainReader, 'snapshot' | 'subscriptions' | 'installation'>,
    vmCount: number,
  ): Promise<boolean> {
    const { destroys, minimum } = this.#ports
    return this.#one.run(new AbortController().signal, async () => {
      if (await destroys.has(mark)) return true
      if (!(await this.#allowed()).includes(mark)) {
        await this.#account(reader, ended)
        if ((await this.#countToday(ended)) >= destroysPerDay(minimum, vmCount)) return false
      }
      await destroys.record(mark, ended.reason, ended.finalizedTime)
      return true
    })
  }

  /** The operator lets these marks through, whatever the count. */
  async allow(marks: readonly string[]): Promise<void> {
    await this.#ports.settings.put(setting, [...new Set([...(await this.#allowed()), ...marks])])
  }

  async #account(reader: Parameters<typeof untoldDestroys>[0], { finalizedTime }: Ended): Promise<void> {
    if (this.#accounted.has(reader.installation)) return
    const { destroys, hypervisor } = this.#ports
    for (const mark of await untoldDestroys(reader, hypervisor, await destroys.marks())) {
      await destroys.record(mark, 'untold', finalizedTime)
    }
    this.#accounted.add(reader.installation)
  }

  async #countToday({ finalizedTime }: Ended): Promise<number> {
    const now = { own: this.#ports.clock.now(), finalized: finalizedTime }
    await this.#ports.destroys.notLaterThan(now)
    return this.#ports.destroys.countSince({ own: now.own - day, finalized: now.finalized - day })
  }

  async #allowed(): Promise<string[]> {
    return (await this.#ports.settings.get(setting, z.array(z.string()))) ?? []
  }
}
