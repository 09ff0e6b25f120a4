import { vmIdOf } from '../chain/installation.ts'
import type { Subscription } from '../chain/subscription.ts'
import { AppError } from '../errors/app-error.ts'
import { perFacts, type ContractFacts, type HostFacts } from './facts.ts'
import { isOperator, type Caller } from './identity.ts'
import type { ApiPorts } from './ports.ts'

/** A subscription with the contract it stands in. */
export interface Holding {
  vmId: string
  subscription: Subscription
  contract: ContractFacts
}

interface Holdings {
  byVmId: ReadonlyMap<string, Holding>
  /** By holder in lower case, at the newest block: a former holder sees nothing any more. */
  byHolder: ReadonlyMap<string, readonly Holding[]>
  /** In the order of contracts and token ids. */
  all: readonly Holding[]
}

/** All that is not ended, by VM and by holder; reckoned once per facts. */
export const holdingsOf = perFacts((facts: HostFacts): Holdings => {
  const all = facts.contracts.flatMap((contract) =>
    [...contract.latest.subscriptions.values()].map((subscription) => ({ vmId: vmIdOf(subscription), subscription, contract })),
  )
  const byHolder = Map.groupBy(all, (h) => h.subscription.holder.toLowerCase())
  return { all, byHolder, byVmId: new Map(all.map((h) => [h.vmId, h])) }
})

/** The holder's own, or all for the operator who asks for all. */
export function visibleTo(caller: Caller, all: boolean, ports: Pick<ApiPorts, 'facts'>): readonly Holding[] {
  const holdings = holdingsOf(ports.facts())
  if (caller.kind === 'host') return holdings.all
  if (caller.kind === 'nobody') return []
  if (!all) return holdings.byHolder.get(caller.address) ?? []
  if (isOperator(caller, ports)) return holdings.all
  throw new AppError({ code: 'not-allowed', detail: `${caller.address} does not hold the operator's pass.` })
}

/** One holding that the caller may see. Throws `vm-unknown`, also for those of others: nobody learns what exists. */
export function holdingFor(caller: Caller, vmId: string, ports: Pick<ApiPorts, 'facts'>): Holding {
  const holding = holdingsOf(ports.facts()).byVmId.get(vmId)
  const own = holding !== undefined && caller.kind === 'wallet' && holding.subscription.holder.toLowerCase() === caller.address
  if (holding === undefined || !(own || isOperator(caller, ports))) {
    throw new AppError({
      code: 'vm-unknown',
      detail: `There is no VM ${vmId} of yours.`,
      hint: 'Sign in with the wallet that holds its access pass.',
    })
  }
  return holding
}

/** A page of a list that stands in memory. A cursor whose row has gone starts where it stood. */
export function pageOfHoldings(
  list: readonly Holding[],
  cursor: string | undefined,
  limit: number,
): { rows: readonly Holding[]; nextCursor: string | null } {
  const start = cursor === undefined ? 0 : startAfter(list, cursor)
  const rows = list.slice(start, start + limit)
  return { rows, nextCursor: start + limit < list.length ? (rows.at(-1)?.vmId ?? null) : null }
}

function startAfter(list: readonly Holding[], cursor: string): number {
  const exact = list.findIndex((h) => h.vmId === cursor)
  if (exact >= 0) return exact + 1
  const [installation = '', tokenId = ''] = cursor.split('-')
  if (!/^\d+$/.test(tokenId)) return 0
  const next = list.findIndex((h) => h.subscription.installation === installation && h.subscription.tokenId > BigInt(tokenId))
  return next < 0 ? list.length : next
}
