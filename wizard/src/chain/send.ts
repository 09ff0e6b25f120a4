import { toQuantity } from 'ethers'
import { PageFailure } from '../api/failure.ts'
import type { ConnectedWallet } from '../wallet/wallet-context.tsx'
import { walletFailure } from '../wallet/wallet-errors.ts'
import { revertName } from './contract.ts'
import { RpcRefusal, rpc, rpcHex } from './rpc.ts'

/** One transaction as a page asks for it. `value` in wei. */
export interface Call {
  to: string
  data: string
  value?: bigint
}

function fieldsOf(from: string, call: Call) {
  return {
    from,
    to: call.to,
    data: call.data,
    ...(call.value !== undefined && call.value > 0n && { value: toQuantity(call.value) }),
  }
}

/**
 * What the network fee comes to at most now, in wei. Throws PageFailure `reverted` with the contract's reason where the
 * network would refuse the call; undefined where it cannot be told (an approval that is still to come).
 */
export async function networkFee(from: string, call: Call): Promise<bigint> {
  try {
    const [gas, price] = await Promise.all([rpcHex('eth_estimateGas', [fieldsOf(from, call)]), rpcHex('eth_gasPrice', [])])
    return BigInt(gas) * BigInt(price)
  } catch (error) {
    if (!(error instanceof RpcRefusal)) throw error
    throw new PageFailure('reverted', { reason: revertName(error.data) ?? error.message.slice(0, 120) }, error)
  }
}

/** What a purchase with a token uses at most, its approval included; measured, rounded up. In units of gas. */
const tokenPurchaseGas = 330_000n

/**
 * The network fee of a purchase, in wei. While the approval is still to come the purchase itself cannot be tried, so the
 * fee is reckoned from what such purchases use. Throws as networkFee does for any other refusal.
 */
export async function purchaseFee(from: string, call: Call): Promise<bigint> {
  try {
    return await networkFee(from, call)
  } catch (error) {
    const waitsForApproval = error instanceof PageFailure && /allowance|SafeERC20/i.test(String(error.values['reason']))
    if (!waitsForApproval) throw error
    return tokenPurchaseGas * BigInt(await rpcHex('eth_gasPrice', []))
  }
}

/**
 * Lets the wallet sign and send one transaction; resolves with its hash as soon as the wallet has sent it.
 * A call that the network would refuse is not offered to the wallet. Throws PageFailure.
 */
export async function sendCall(wallet: ConnectedWallet, call: Call): Promise<string> {
  await networkFee(wallet.address, call)
  try {
    return String(await wallet.provider.request({ method: 'eth_sendTransaction', params: [fieldsOf(wallet.address, call)] }))
  } catch (error) {
    throw walletFailure(error)
  }
}

/** Waits until a transaction is included. Throws PageFailure `transaction` if it had no effect. */
export async function waitIncluded(hash: string, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const receipt = (await rpc('eth_getTransactionReceipt', [hash])) as { status?: string } | null
    if (receipt?.status === '0x1') return
    if (receipt != null) throw new PageFailure('transaction', { hash })
    signal?.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, 700))
  }
}
