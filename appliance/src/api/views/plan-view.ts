import type { Plan } from '../../chain/subscription.ts'
import type { ContractFacts } from '../facts.ts'
import type { ApiPorts } from '../ports.ts'
import type { PlanView } from '../schemas/status.ts'

/** Price of a period: ceil(pricePerDay × seconds / 86400), as the contract reckons it (design.md §5). */
export function priceOf(pricePerDay: bigint, seconds: number): bigint {
  return (pricePerDay * BigInt(seconds) + 86_399n) / 86_400n
}

/** A plan with prices and free places, by the newest block. */
export function planView(plan: Plan, { latest }: ContractFacts, ports: Pick<ApiPorts, 'token'>): PlanView {
  return {
    planId: plan.planId,
    installation: latest.installation,
    contract: latest.contract,
    name: plan.name,
    kind: plan.kind,
    vcpus: plan.vcpus,
    memoryMiB: plan.memoryMiB,
    diskGiB: plan.diskGiB,
    gasPerDay: String(plan.gasPerDay),
    graceSeconds: plan.graceSeconds,
    activationDeadlineSeconds: plan.activationDeadlineSeconds,
    minSeconds: plan.minSeconds,
    maxSeconds: plan.maxSeconds,
    capacity: plan.capacity,
    available: Math.max(0, plan.capacity - plan.used),
    open: plan.open,
    prices: plan.prices.map(({ token, pricePerDay }) => ({ token, pricePerDay: pricePerDay.toString(), ...ports.token(token) })),
  }
}
