import { toQuantity } from 'ethers'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { parseQuantity } from './blocks.ts'
import { chooseFees } from './fees.ts'
import type { ProvisionerKey } from './provisioner-key.ts'
import type { RpcClient } from './rpc.ts'

export interface SendOnceOptions {
  client: RpcClient
  chainId: number
  key: ProvisionerKey
  clock: Clock
  /** Most that one may cost beyond its value, wei. */
  maxFeeWei: bigint
  /** Transactions of the same key that are under way: theirs come first. */
  busy(): Promise<boolean>
  pollMs?: number
  withinSeconds?: number
}

/**
 * Sends a transaction that is no verb of the provisioner and waits until it is mined. It takes the next free nonce while nothing else
 * of the key is under way; a verb that takes the same one at that moment finds its nonce used and is begun anew, by its own rule.
 * Throws `timed-out`, `transaction-failed`, `fee-cap`, `no-funds`, `rpc-unreachable`, `rpc-refused`.
 */
export async function sendOnce(
  options: SendOnceOptions,
  { to, data, value }: { to: string; data: string; value: bigint },
): Promise<void> {
  const { client, chainId, key, clock } = options
  const end = clock.monotonicMs() + (options.withinSeconds ?? 300) * 1000
  const wait = async (what: string): Promise<void> => {
    if (clock.monotonicMs() >= end) throw new AppError({ code: 'timed-out', detail: what })
    await clock.wait(options.pollMs ?? 1000)
  }
  while (await options.busy()) await wait('Other transactions of the key of this host are still under way.')
  const ask = async (method: string, params: readonly unknown[]): Promise<bigint> =>
    parseQuantity(await client.call(method, params))
  const call = { from: key.address, to, data, value: toQuantity(value) }
  const gasLimit = ((await ask('eth_estimateGas', [call])) * 12n) / 10n
  const block = (await client.call('eth_getBlockByNumber', ['latest', false])) as { baseFeePerGas?: string } | null
  const fees = chooseFees({
    baseFee: BigInt(block?.baseFeePerGas ?? '0x0'),
    tip: await ask('eth_maxPriorityFeePerGas', []),
    gasLimit,
    capPerTransaction: options.maxFeeWei,
    leftToday: options.maxFeeWei,
  })
  const balance = await ask('eth_getBalance', [key.address, 'latest'])
  if (balance < value + fees.maxFeePerGas * gasLimit) {
    throw new AppError({ code: 'no-funds', detail: `${key.address} cannot pay ${value} wei and the network fee.` })
  }
  const nonce = Number(await ask('eth_getTransactionCount', [key.address, 'pending']))
  const raw = await key.sign({ type: 2, chainId, nonce, to, data, value, gasLimit, ...fees })
  const hash = String(await client.send('eth_sendRawTransaction', [raw]))
  for (;;) {
    const receipt = (await client.call('eth_getTransactionReceipt', [hash])) as { status?: string } | null
    if (receipt?.status === '0x1') return
    if (receipt !== null) throw new AppError({ code: 'transaction-failed', detail: `The transaction ${hash} was reverted.` })
    await wait(`The transaction ${hash} is not mined yet.`)
  }
}
