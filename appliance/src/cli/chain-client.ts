import {
  JsonRpcApiProvider,
  Network,
  Transaction,
  type JsonRpcError,
  type JsonRpcPayload,
  type JsonRpcResult,
  type TransactionReceipt,
} from 'ethers'
import { z } from 'zod'
import { AppError } from '../errors/app-error.ts'
import { systemClock } from '../clock/clock.ts'
import type { ApiClient } from './client.ts'
import type { CliWallet } from './wallet.ts'

const answerSchema = z.looseObject({
  result: z.unknown().optional(),
  error: z.looseObject({ code: z.number(), message: z.string() }).optional(),
})

/** The chain as seen through the host's own bounded RPC (`POST /v1/rpc`): the CLI needs no other address. */
export class HostRpc extends JsonRpcApiProvider {
  readonly #client: ApiClient

  constructor(client: ApiClient, chainId: number) {
    super(chainId, { staticNetwork: Network.from(chainId), batchMaxCount: 1, cacheTimeout: -1 })
    this.#client = client
    this._start()
  }

  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<(JsonRpcResult | JsonRpcError)[]> {
    const list = Array.isArray(payload) ? payload : [payload]
    return await Promise.all(
      list.map(async (one) => {
        const answer = await this.#client.call(answerSchema, 'POST', '/v1/rpc', { body: one })
        return (
          answer.error === undefined ? { id: one.id, result: answer.result } : { id: one.id, error: answer.error }
        ) as JsonRpcResult
      }),
    )
  }
}

/**
 * Prepares, signs and sends one transaction and waits until it is mined. Throws `transaction-failed` with the contract's
 * reason, `no-funds` when the wallet cannot pay.
 */
export async function sendTransaction(
  rpc: HostRpc,
  wallet: CliWallet,
  request: { to: string; data: string; value?: bigint },
  describe: (data: string) => string | undefined,
): Promise<TransactionReceipt> {
  const failed = (reason: string, cause?: unknown) =>
    new AppError({
      code: 'transaction-failed',
      detail: `The network refused it: ${reason}.`,
      hint: 'Nothing was paid. Check the reason and try again.',
      cause,
    })
  const call = { from: wallet.address, ...request }
  let gasLimit: bigint
  try {
    gasLimit = ((await rpc.estimateGas(call)) * 12n) / 10n
  } catch (cause) {
    const e = cause as { code?: string; data?: string | null; info?: { error?: { data?: string } }; shortMessage?: string }
    if (e.code === 'INSUFFICIENT_FUNDS') {
      throw new AppError({ code: 'no-funds', detail: `${wallet.address} cannot pay amount and network fee.`, cause })
    }
    const data = e.data ?? e.info?.error?.data
    throw failed((typeof data === 'string' ? describe(data) : undefined) ?? e.shortMessage ?? 'it would fail', cause)
  }
  const [fees, nonce, network] = await Promise.all([
    rpc.getFeeData(),
    rpc.getTransactionCount(wallet.address, 'pending'),
    rpc.getNetwork(),
  ])
  const raw = await wallet.signTransaction({
    type: 2,
    to: request.to,
    data: request.data,
    value: request.value ?? 0n,
    chainId: network.chainId,
    nonce,
    gasLimit,
    maxFeePerGas: fees.maxFeePerGas ?? 2_000_000_000n,
    maxPriorityFeePerGas: fees.maxPriorityFeePerGas ?? 1_000_000_000n,
  })
  const hash = Transaction.from(raw).hash ?? ''
  await rpc.send('eth_sendRawTransaction', [raw])
  for (;;) {
    const receipt = await rpc.getTransactionReceipt(hash)
    if (receipt !== null && receipt.status === 1) return receipt
    if (receipt !== null) throw failed(`transaction ${hash} was reverted`)
    await systemClock.wait(300)
  }
}
