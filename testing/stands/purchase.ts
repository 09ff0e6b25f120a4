import { plansSchema, quoteSchema, statusSchema } from '@freehold/appliance/api/schemas/status'
import { purchaseSchema } from '@freehold/appliance/api/schemas/vms'
import { zeroAddress } from '@freehold/appliance/chain/subscription'
import { HostRpc, sendTransaction } from '@freehold/appliance/cli/chain-client'
import type { ApiClient } from '@freehold/appliance/cli/client'
import type { walletOf } from '@freehold/appliance/cli/wallet'
import { systemClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'

/** Buys the least time of the smallest plan; returns the transaction's hash. */
export async function buySmallest(client: ApiClient, wallet: ReturnType<typeof walletOf>): Promise<string> {
  const { chain } = await client.call(statusSchema, 'GET', '/v1/status')
  const { plans } = await client.call(plansSchema, 'GET', '/v1/plans')
  const plan = plans.toSorted((a, b) => a.memoryMiB - b.memoryMiB).find((p) => p.open && p.available > 0)
  if (plan === undefined) throw new AppError({ code: 'capacity-exceeded', detail: 'No plan has a free place.' })
  const { planId, minSeconds } = plan
  const query = `planId=${planId}&token=${zeroAddress}&seconds=${minSeconds}`
  const quote = await client.call(quoteSchema, 'GET', `/v1/quotes?${query}`)
  const price = BigInt(quote.price)
  const data = subscriptionsInterface.encodeFunctionData('buy', [planId, zeroAddress, minSeconds, price, wallet.address])
  const receipt = await sendTransaction(
    new HostRpc(client, chain.chainId),
    wallet,
    { to: quote.contract, data, value: price },
    (revert) => subscriptionsInterface.parseError(revert)?.name,
  )
  return receipt.hash
}

/** The id of the VM, once it is ready. Throws `step-failed` where it will not be, or not within these seconds. */
export async function untilReady(client: ApiClient, hash: string, seconds: number): Promise<string> {
  const end = systemClock.monotonicMs() + seconds * 1000
  for (;;) {
    const purchase = await client.call(purchaseSchema, 'GET', `/v1/purchases/${hash}`)
    if (purchase.state === 'ready' && purchase.vmId !== null) return purchase.vmId
    if (['rejected', 'refundable', 'failed'].includes(purchase.state) || systemClock.monotonicMs() > end) {
      throw new AppError({ code: 'step-failed', detail: `The purchase is ${purchase.state}, not ready.` })
    }
    await systemClock.wait(200)
  }
}
