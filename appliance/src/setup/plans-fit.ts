import type { PlanAnswer } from '../config/schema.ts'
import { AppError } from '../errors/app-error.ts'
import type { Capacity } from '../hypervisor/port.ts'

const gib = 2 ** 30

/** Throws `capacity-exceeded` if a VM of a plan, or all that the plans promise, is larger than the host. Pure. */
export function plansFit(plans: readonly PlanAnswer[], capacity: Capacity): void {
  const machines = plans.filter((plan) => plan.kind === 'vm')
  for (const plan of machines) {
    if (
      plan.memoryMiB > capacity.memoryTotalMiB ||
      plan.vcpus > capacity.vcpus * 4 ||
      plan.diskGiB * gib > capacity.diskTotalBytes
    ) {
      throw new AppError({
        code: 'capacity-exceeded',
        detail: `One VM of the plan ${plan.name} is larger than this host (${capacity.vcpus} CPUs, ${capacity.memoryTotalMiB} MiB, ${Math.floor(capacity.diskTotalBytes / gib)} GiB).`,
        hint: 'Make the plan smaller.',
      })
    }
  }
  const promised = machines.reduce((sum, plan) => sum + plan.capacity * plan.diskGiB * gib, 0)
  if (promised > capacity.diskTotalBytes * 0.9) {
    throw new AppError({
      code: 'capacity-exceeded',
      detail: `The plans promise ${Math.ceil(promised / gib)} GiB of disk, the pool has ${Math.floor(capacity.diskTotalBytes / gib)} GiB.`,
      hint: 'Lower capacity or diskGiB of a plan: what is sold must fit at full size.',
    })
  }
}
