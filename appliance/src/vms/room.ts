import type { Plan } from '../chain/subscription.ts'
import type { Capacity } from '../hypervisor/port.ts'

const gib = 2 ** 30
/** Below this free share of the pool nothing is made and no snapshot is taken. Source: design.md §6, "Capacity". */
export const leastFreeShare = 0.1

/** What creates that have begun will use and the hypervisor does not count yet. */
export interface Promised {
  diskBytes: number
  memoryMiB: number
}

/** Disk at full size plus what one snapshot may grow to. */
export function needOf(plan: Pick<Plan, 'diskGiB' | 'memoryMiB'>, snapshots: boolean): Promised {
  return { diskBytes: plan.diskGiB * gib * (snapshots ? 2 : 1), memoryMiB: plan.memoryMiB }
}

/** True while the pool has too little free space for creates and snapshots. */
export function isNearlyFull(capacity: Pick<Capacity, 'diskFreeBytes' | 'diskTotalBytes'>): boolean {
  return capacity.diskFreeBytes < capacity.diskTotalBytes * leastFreeShare
}

/** Why a VM of this plan does not fit now, in words for the operator; undefined if it fits. */
export function reasonForNoRoom(need: Promised, capacity: Capacity, promised: Promised): string | undefined {
  if (isNearlyFull(capacity)) return 'less than 10 % of the storage is free'
  const disk = capacity.diskUnpromisedBytes - promised.diskBytes
  if (disk < need.diskBytes) return `the disk needs ${size(need.diskBytes)} and ${size(Math.max(0, disk))} are not promised yet`
  const memory = capacity.memoryUnpromisedMiB - promised.memoryMiB
  if (memory < need.memoryMiB)
    return `it needs ${need.memoryMiB} MiB of memory and ${Math.max(0, memory)} MiB are not promised yet`
  return undefined
}

function size(bytes: number): string {
  return `${(bytes / gib).toFixed(1)} GiB`
}
