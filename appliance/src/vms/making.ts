import type { VmId } from '../chain/installation.ts'
import { findAppError } from '../errors/app-error.ts'
import type { Plan } from '../chain/subscription.ts'
import { needOf, reasonForNoRoom, type Promised } from './room.ts'
import type { World } from './world.ts'

/** Room that creates under way will take: several decided in one pass must not share it. */
export class Making {
  readonly #promised = new Map<VmId, Promised>()

  begin(id: VmId, plan: Plan): void {
    this.#promised.set(id, needOf(plan, true))
  }

  end(id: VmId): void {
    this.#promised.delete(id)
  }

  /** Why no further VM of this plan fits, or undefined if it fits. Never rejects: a hypervisor that does not tell is a reason. */
  async noRoom(world: World, plan: Plan | undefined): Promise<string | undefined> {
    if (plan === undefined) return undefined
    try {
      const { capacity, snapshots } = await world.capacity()
      const promised = { diskBytes: 0, memoryMiB: 0 }
      for (const [id, need] of this.#promised) {
        if (world.records?.has(id) === true) continue
        promised.diskBytes += need.diskBytes
        promised.memoryMiB += need.memoryMiB
      }
      return reasonForNoRoom(needOf(plan, snapshots), capacity, promised)
    } catch (error) {
      return findAppError(error)?.detail ?? 'the hypervisor does not tell its capacity'
    }
  }
}
