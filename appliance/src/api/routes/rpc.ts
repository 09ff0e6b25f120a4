import { z } from 'zod'
import { refusalOf } from '../../chain/rpc.ts'
import { AppError } from '../../errors/app-error.ts'
import { createAllowance } from '../../sign-in/allowance.ts'
import { networkOf } from '../../sign-in/direct.ts'
import type { ApiServer } from '../app.ts'
import type { ApiPorts } from '../ports.ts'

/** What wallets and pages need: reads, and sending what a wallet has signed. Nothing that signs, unlocks, mines or traces. */
export const allowedMethods: ReadonlySet<string> = new Set([
  'eth_blockNumber',
  'eth_call',
  'eth_chainId',
  'eth_estimateGas',
  'eth_feeHistory',
  'eth_gasPrice',
  'eth_getBalance',
  'eth_getBlockByHash',
  'eth_getBlockByNumber',
  'eth_getCode',
  'eth_getTransactionByHash',
  'eth_getTransactionCount',
  'eth_getTransactionReceipt',
  'eth_maxPriorityFeePerGas',
  'eth_sendRawTransaction',
  'net_version',
  'web3_clientVersion',
])

const idSchema = z.union([z.string().max(100), z.number(), z.null()])
const callSchema = z.strictObject({
  jsonrpc: z.literal('2.0').optional(),
  id: idSchema.default(null),
  method: z.string().max(60),
  params: z.array(z.unknown()).max(10).default([]),
})
const bodySchema = z.union([callSchema, z.array(callSchema).min(1).max(50)])
const answerSchema = z.looseObject({ jsonrpc: z.literal('2.0'), id: idSchema })
type Call = z.output<typeof callSchema>

/**
 * POST /v1/rpc: JSON-RPC to the configured node, bounded, so that pages and wallets talk to the host's own origin only (X22).
 * Answers as JSON-RPC does, 200 also for refusals.
 */
export function registerRpc(app: ApiServer, ports: ApiPorts): void {
  // each call counts, also within a batch; embedded mode's people all share the loopback
  const more = ports.host.mode === 'embedded' ? 20 : 1
  const calls = createAllowance(ports.clock, { burst: 300 * more, perSecond: 30 * more })
  app.post(
    '/v1/rpc',
    {
      config: { access: 'public' },
      schema: { body: bodySchema, response: { 200: z.union([answerSchema, z.array(answerSchema)]) } },
    },
    async ({ body, clientAddress }) => {
      const place = networkOf(clientAddress) ?? clientAddress
      for (const _ of Array.isArray(body) ? body : [body]) {
        const wait = calls.take(place)
        if (wait !== null)
          throw new AppError({ code: 'too-many-requests', detail: 'Too many calls of the network.', retryAfterSeconds: wait })
      }
      return Array.isArray(body) ? await Promise.all(body.map(answer)) : await answer(body)
    },
  )

  async function answer({ id, method, params }: Call): Promise<z.output<typeof answerSchema>> {
    const head = { jsonrpc: '2.0' as const, id }
    if (!allowedMethods.has(method)) return { ...head, error: { code: -32601, message: `${method} is not served here` } }
    try {
      return { ...head, result: await ports.rpc(method, params) }
    } catch (error) {
      const refusal = refusalOf(error)
      // anything else is no answer of the node: the funnel makes a problem of it
      if (refusal === undefined) throw error
      const message = refusal.message.slice(0, 500)
      return { ...head, error: { code: refusal.rpcCode, message, ...(refusal.data !== undefined && { data: refusal.data }) } }
    }
  }
}
