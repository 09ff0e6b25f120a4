import { vmIdOf } from '../chain/installation.ts'
import type { Plan, Subscription } from '../chain/subscription.ts'
import { entitlement } from '../subscriptions/entitlement.ts'
import type { PlanRow } from '../wasm/plan-table.ts'
import { isStale, perFacts, type ContractFacts, type HostFacts } from './facts.ts'

/** A subscription of kind WASM with its plan, by the newest block. */
export interface WasmHolding {
  vmId: string
  subscription: Subscription
  plan: Plan
  contract: ContractFacts
}

/** All subscriptions of kind WASM that have not ended. */
export const wasmHoldingsOf = perFacts((facts: HostFacts): readonly WasmHolding[] =>
  facts.contracts.flatMap((contract) => {
    const plans = new Map(contract.latest.plans.filter((plan) => plan.kind === 'wasm').map((plan) => [plan.planId, plan]))
    // of ten thousand VMs nothing is looked at
    if (plans.size === 0) return []
    return [...contract.latest.subscriptions.values()].flatMap((subscription) => {
      const plan = plans.get(subscription.planId)
      return plan === undefined ? [] : [{ vmId: vmIdOf(subscription), subscription, plan, contract }]
    })
  }),
)

/**
 * Who may spend gas now, by the rule of every login: holder at the giving depth and at the newest block, entitlement active. Not
 * known while the chain is stale.
 */
export function wasmPlanRows(facts: HostFacts, now: number): readonly PlanRow[] | undefined {
  if (isStale(facts, now)) return undefined
  return wasmHoldingsOf(facts).flatMap(({ vmId, subscription, plan, contract }) => {
    const given = entitlement(subscription, facts.heads?.latest.timestamp ?? now)
    const settled = contract.giving.subscriptions.get(subscription.tokenId)
    const wallet = subscription.holder.toLowerCase()
    if (given.kind !== 'active' || settled === undefined || settled.holder.toLowerCase() !== wallet) return []
    return [{ wallet, id: vmId, gasPerDay: plan.gasPerDay, until: given.until }]
  })
}
