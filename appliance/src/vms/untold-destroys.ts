import { markOf, vmIdOf, type VmId } from '../chain/installation.ts'
import type { ChainReader } from '../chain/port.ts'
import { AppError } from '../errors/app-error.ts'
import type { Hypervisor } from '../hypervisor/port.ts'

/** No VM has it: a VM of the same id that turns up again must still pass the gate itself. */
const unknownGeneration = 0

/**
 * Marks for all VMs that were activated, have ended in the finalized block and are gone, though `journal` tells of no destroy of
 * theirs: what a database that was lost, or is old, has forgotten. Asked of chain and hypervisor alone. When they went nobody
 * knows. Throws AppError where either does not answer: then nothing may be destroyed.
 */
export async function untoldDestroys(
  reader: Pick<ChainReader, 'snapshot' | 'subscriptions' | 'installation'>,
  hypervisor: Pick<Hypervisor, 'list'>,
  journal: readonly string[],
): Promise<string[]> {
  const { installation } = reader
  const { block, nextTokenId, subscriptions, plans } = await reader.snapshot('finalized')
  const told = new Set([...journal.map(subjectOf), ...(await hypervisor.list()).map(({ key }) => vmIdOf(key))])
  const ids: bigint[] = []
  for (let tokenId = 1n; tokenId < nextTokenId; tokenId += 1n) {
    if (!subscriptions.has(tokenId) && !told.has(vmIdOf({ installation, tokenId }))) ids.push(tokenId)
  }
  if (ids.length === 0) return []
  const machines = new Set(plans.filter(({ kind }) => kind === 'vm').map(({ planId }) => planId))
  const found = await reader.subscriptions(ids, block)
  if (found.includes(undefined)) {
    throw new AppError({ code: 'chain-inconsistent', detail: `Block ${block.number} lacks a subscription that was sold.` })
  }
  return found
    .filter((one) => one !== undefined)
    .filter(({ activatedAt, planId }) => activatedAt !== 0 && machines.has(planId))
    .map(({ tokenId }) => markOf({ installation, tokenId, generation: unknownGeneration }))
}

/** The VM that a mark speaks of, whatever its generation. */
function subjectOf(mark: string): VmId {
  const [installation = '', tokenId = ''] = mark.slice(mark.indexOf(':') + 1).split('/')
  return `${installation}-${tokenId}`
}
