import { formatEther, type JsonRpcProvider, type Signer } from 'ethers'
import type { StepIo } from '../steps/step.ts'

const transferGas = 21_000n
const usualFeePerGas = 20_000_000_000n

/**
 * Sends all that a key of this host holds, less the fee, and waits until it is mined. No-op where the rest is not worth its fee,
 * so that a second call sends nothing again.
 */
export async function sweep(provider: JsonRpcProvider, from: Signer, to: string, io: StepIo, told: string): Promise<void> {
  const [balance, fees] = await Promise.all([provider.getBalance(await from.getAddress()), provider.getFeeData()])
  const maxFeePerGas = fees.maxFeePerGas ?? usualFeePerGas
  const fee = transferGas * maxFeePerGas
  if (balance <= fee * 4n) return
  const sent = await from.sendTransaction({ to, value: balance - fee, gasLimit: transferGas, maxFeePerGas })
  await sent.wait()
  io.log(`${formatEther(balance - fee)} ${told}`)
}
