import { AbiCoder, type Interface } from 'ethers'
import type { RpcRefusal } from './rpc.ts'

const errorString = '0x08c379a0'
const panic = '0x4e487b71'

/** Revert data in an answer of the node: `data` as text, or an object that holds it (the nodes differ). */
function revertData(data: unknown): string | undefined {
  if (typeof data === 'string') return /0x[0-9a-fA-F]*/.exec(data)?.[0]
  if (typeof data === 'object' && data !== null) {
    for (const name of ['data', 'result', 'return']) if (name in data) return revertData((data as Record<string, unknown>)[name])
  }
  return undefined
}

/**
 * Why a call was reverted: the name of the contract's custom error, the text of a `require`, or `reverted`. Undefined if the
 * refusal is no revert at all.
 */
export function revertReason(refusal: RpcRefusal, contract: Interface): string | undefined {
  const data = revertData(refusal.data)
  // 3: EIP-1474 practice of geth and all that follow it
  if (refusal.rpcCode !== 3 && data === undefined && !/revert/i.test(refusal.message)) return undefined
  if (data === undefined || data.length < 10) return 'reverted'
  try {
    if (data.startsWith(errorString))
      return String(AbiCoder.defaultAbiCoder().decode(['string'], `0x${data.slice(10)}`)[0]).slice(0, 200)
    if (data.startsWith(panic)) return 'Panic'
    return contract.parseError(data)?.name ?? 'reverted'
  } catch {
    return 'reverted'
  }
}
