import { z } from 'zod'
import { AppError } from '../errors/app-error.ts'

/** What a receipt tells us. */
export interface Receipt {
  blockNumber: number
  succeeded: boolean
  /** What it cost, wei: gas used × effective gas price (rollups add a fee of their own on top that is not in here). */
  fee: bigint
}

const quantity = z.string().regex(/^0x[0-9a-f]{1,64}$/i)
const receiptSchema = z.object({
  blockNumber: quantity,
  status: quantity,
  gasUsed: quantity,
  effectiveGasPrice: quantity,
})

/** Throws AppError `rpc-unreachable` if the answer is no receipt. */
export function parseReceipt(answer: unknown): Receipt {
  const parsed = receiptSchema.safeParse(answer)
  if (!parsed.success)
    throw new AppError({ code: 'rpc-unreachable', detail: 'The node gave no usable receipt.', cause: parsed.error })
  const { blockNumber, status, gasUsed, effectiveGasPrice } = parsed.data
  return {
    blockNumber: Number(blockNumber),
    succeeded: BigInt(status) === 1n,
    fee: BigInt(gasUsed) * BigInt(effectiveGasPrice),
  }
}
