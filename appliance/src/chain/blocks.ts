import { z } from 'zod'
import { AppError } from '../errors/app-error.ts'
import type { BlockRef } from './port.ts'

const quantity = z.string().regex(/^0x[0-9a-f]{1,64}$/i)
const blockSchema = z.object({
  number: quantity,
  hash: z.string().regex(/^0x[0-9a-f]{64}$/i),
  timestamp: quantity,
  baseFeePerGas: quantity.optional(),
})

/** A block as an answer of the node tells it; null if the node does not have it. Throws `rpc-unreachable` for nonsense. */
export function parseBlock(answer: unknown): (BlockRef & { baseFee: bigint | undefined }) | null {
  if (answer === null || answer === undefined) return null
  const parsed = blockSchema.safeParse(answer)
  if (!parsed.success)
    throw new AppError({ code: 'rpc-unreachable', detail: 'The node gave no usable block.', cause: parsed.error })
  const { number, hash, timestamp, baseFeePerGas } = parsed.data
  return {
    number: Number(number),
    hash: hash.toLowerCase(),
    timestamp: Number(timestamp),
    baseFee: baseFeePerGas === undefined ? undefined : BigInt(baseFeePerGas),
  }
}

/** A number as JSON-RPC writes it. */
export function toQuantity(value: number | bigint): string {
  return `0x${value.toString(16)}`
}

/** A quantity of an answer as bigint. Throws `rpc-unreachable` for nonsense. */
export function parseQuantity(answer: unknown): bigint {
  const parsed = quantity.safeParse(answer)
  if (!parsed.success)
    throw new AppError({ code: 'rpc-unreachable', detail: 'The node gave no usable number.', cause: parsed.error })
  return BigInt(parsed.data)
}
