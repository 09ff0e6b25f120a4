import { z } from 'zod'
import { callApi } from '../api/client.ts'
import { PageFailure } from '../api/failure.ts'

const answerSchema = z.looseObject({
  result: z.unknown().optional(),
  error: z.looseObject({ code: z.number(), message: z.string(), data: z.unknown().optional() }).optional(),
})

/** What the node refused, with the contract's revert data where there are any. */
export class RpcRefusal extends Error {
  readonly data: string | undefined

  constructor(message: string, data: unknown) {
    super(message)
    this.name = 'RpcRefusal'
    this.data = typeof data === 'string' && data.startsWith('0x') ? data : undefined
  }
}

let serial = 0

/** One JSON-RPC read through the host's own bounded `POST /v1/rpc`. Throws RpcRefusal, or as callApi does. */
export async function rpc(method: string, params: readonly unknown[]): Promise<unknown> {
  const answer = await callApi(answerSchema, 'POST', '/v1/rpc', { body: { jsonrpc: '2.0', id: ++serial, method, params } })
  if (answer.error !== undefined) throw new RpcRefusal(answer.error.message, answer.error.data)
  return answer.result
}

/** A read that answers with hexadecimal text. */
export async function rpcHex(method: string, params: readonly unknown[]): Promise<string> {
  const result = await rpc(method, params)
  if (typeof result !== 'string') throw new PageFailure('unreadable', { path: method })
  return result
}
