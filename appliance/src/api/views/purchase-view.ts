import { z } from 'zod'
import { vmIdOf } from '../../chain/installation.ts'
import type { ContractFacts, HostFacts } from '../facts.ts'
import type { ApiPorts } from '../ports.ts'
import type { Purchase } from '../schemas/vms.ts'

/** keccak256('Transfer(address,address,uint256)'). Source: ERC-721. */
const transferTopic = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const nobody = `0x${'0'.repeat(64)}`

const receiptSchema = z
  .looseObject({
    status: z.string(),
    blockNumber: z.string(),
    logs: z.array(z.looseObject({ address: z.string(), topics: z.array(z.string()) })),
  })
  .nullable()
type Receipt = NonNullable<z.output<typeof receiptSchema>>

/** Where a purchase stands, from its transaction and the newest facts. Throws `rpc-unreachable`, `rpc-refused`. */
export async function purchaseOf(hash: string, ports: Pick<ApiPorts, 'rpc' | 'facts' | 'clock' | 'host'>): Promise<Purchase> {
  const receipt = receiptSchema.parse(await ports.rpc('eth_getTransactionReceipt', [hash]))
  const facts = ports.facts()
  const empty: Purchase = {
    transactionHash: hash,
    state: 'unknown',
    vmId: null,
    phase: null,
    confirmations: 0,
    confirmationsNeeded: ports.host.confirmations,
    elapsedSeconds: 0,
    activationDeadline: null,
  }
  if (receipt === null) {
    const known = (await ports.rpc('eth_getTransactionByHash', [hash])) !== null
    return { ...empty, state: known ? 'seen' : 'unknown' }
  }
  const minted = mintedBy(receipt, facts)
  if (BigInt(receipt.status) !== 1n || minted === undefined) return { ...empty, state: 'failed' }
  const block = Number(BigInt(receipt.blockNumber))
  const { contract, tokenId } = minted
  const vmId = vmIdOf({ installation: contract.latest.installation, tokenId })
  const confirmations = Math.max(1, contract.latest.block.number - block + 1)
  const base = { ...empty, vmId, confirmations }
  const subscription = contract.latest.subscriptions.get(tokenId)
  if (subscription === undefined) {
    // the snapshot may be older than the receipt; a slot that is gone from a newer one was given back
    return { ...base, state: contract.latest.block.number >= block ? 'rejected' : 'seen' }
  }
  // what has no machine is ready with its activation
  const serverless = contract.latest.plans.some((plan) => plan.planId === subscription.planId && plan.kind === 'wasm')
  const task = facts.tasks.get(vmId)
  const step = task?.steps.find((s) => s.state === 'running')
  const now = ports.clock.now()
  const known = {
    ...base,
    elapsedSeconds: Math.max(0, (subscription.activatedAt || now) - subscription.boughtAt),
    activationDeadline: subscription.activationDeadline,
  }
  if (subscription.state !== 'pending') {
    return {
      ...known,
      state: serverless || (facts.vms.get(vmId)?.hostKey ?? null) !== null ? 'ready' : 'preparing',
      phase: step?.phase ?? step?.name ?? null,
    }
  }
  if (contract.latest.block.timestamp > subscription.activationDeadline) return { ...known, state: 'refundable' }
  if (!contract.giving.subscriptions.has(tokenId)) return { ...known, state: 'seen' }
  return step === undefined ? { ...known, state: 'confirmed' } : { ...known, state: 'preparing', phase: step.phase ?? step.name }
}

/** The pass that a transaction minted in one of our contracts. */
function mintedBy(receipt: Receipt, facts: HostFacts): { contract: ContractFacts; tokenId: bigint } | undefined {
  for (const { address, topics } of receipt.logs) {
    const contract = facts.contracts.find((c) => c.latest.contract.toLowerCase() === address.toLowerCase())
    const [topic, from, , id] = topics
    if (contract !== undefined && topic === transferTopic && from === nobody && id !== undefined)
      return { contract, tokenId: BigInt(id) }
  }
  return undefined
}
