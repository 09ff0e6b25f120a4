import type { ChainReader } from '../chain/port.ts'
import type { Subscription } from '../chain/subscription.ts'
import { AppError } from '../errors/app-error.ts'
import type { VmOrigin } from '../hypervisor/port.ts'
import type { StoredVm } from '../store/vms.ts'
import { takingView, type TakingView } from '../subscriptions/views.ts'

/** Same buyer, same block: the same purchase, not another one under a re-used id (design.md §6). */
export function isSamePurchase(a: VmOrigin, b: VmOrigin): boolean {
  return a.buyer.toLowerCase() === b.buyer.toLowerCase() && a.boughtBlock === b.boughtBlock
}

/**
 * The subscription at the newest block, right before something is made or activated. Throws `not-in-this-state` unless it is
 * still pending and still that purchase.
 */
export async function requirePending(reader: ChainReader, tokenId: bigint, origin: VmOrigin): Promise<Subscription> {
  const { latest } = await reader.heads()
  const now = await reader.subscription(tokenId, latest)
  if (now?.state === 'pending' && isSamePurchase(now, origin)) return now
  throw new AppError({
    code: 'not-in-this-state',
    detail: `Purchase ${tokenId} is ${now?.state ?? 'not there'} at block ${latest.number}, or it is another purchase by now.`,
    hint: 'Nothing to do: it is looked at again at once.',
  })
}

/** Reads for taking, right before taking. Throws `not-in-this-state` unless `allows` holds for both depths. */
export async function requireTaking(
  reader: ChainReader,
  tokenId: bigint,
  allows: (view: TakingView) => boolean,
): Promise<{ finalized: Subscription; view: TakingView }> {
  const read = await reader.subscriptionForTaking(tokenId)
  const view = takingView(read)
  if (allows(view)) return { finalized: read.finalized, view }
  throw new AppError({
    code: 'not-in-this-state',
    detail: `Subscription ${tokenId} is ${view.finalized.kind} at the finalized block and ${view.latest.kind} at the newest.`,
    hint: 'Nothing was taken.',
  })
}

/** The intent to activate was persisted: the disk may hold somebody's data and stands under the taking rule. */
export function wasReady(row: Pick<StoredVm, 'activateIntentAt' | 'activatedSeenAt'> | undefined): boolean {
  return row !== undefined && (row.activateIntentAt !== null || row.activatedSeenAt !== null)
}
