import { fastify, type FastifyInstance } from 'fastify'
import type { z } from 'zod'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { toProblem } from '../errors/problem.ts'
import {
  newHostKeySchema,
  ownerQuerySchema,
  planTableSchema,
  receiptCheckSchema,
  receiptsQuerySchema,
  usageQuerySchema,
  walletScopes,
} from './host-messages.ts'
import { isLive } from './keys/api-keys.ts'
import type { OpenWasm } from './open-wasm.ts'
import { leafHash } from './protocol/merkle-tree.ts'
import { receiptHash, verifyReceipt } from './protocol/receipt.ts'

/** Keys of one wallet that count at the same time. */
export const keysPerWallet = 20

/**
 * The daemon's own door to this service: plans come in, keys are made, the console's facts go out. On a unix socket; the mode of
 * its file and folder is the check of who may.
 */
export function createHostDoor(wasm: OpenWasm, clock: Clock, freeGasPerDay: string): FastifyInstance {
  const app = fastify({ bodyLimit: 256 * 2 ** 20, forceCloseConnections: true })
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error, { instance: request.url, requestId: request.id })
    void reply.code(problem.status).type('application/problem+json').send(problem)
  })

  app.put('/host/v1/plans', (request, reply) => {
    const { plans } = parse(planTableSchema, request.body)
    wasm.plans.set(plans?.map((row) => ({ ...row, gasPerDay: BigInt(row.gasPerDay) })))
    return reply.code(204).send()
  })

  app.get('/host/v1/keys', (request) => {
    const { wallet } = parse(ownerQuerySchema, request.query)
    return { keys: wasm.apiKeys.list().filter((key) => wallet === undefined || key.wallet === wallet) }
  })

  app.post('/host/v1/keys', (request, reply) => {
    const { wallet, label, scopes, expiresAt } = parse(newHostKeySchema, request.body)
    const allowed: readonly string[] = walletScopes
    if (wallet !== null && !scopes.every((scope) => allowed.includes(scope))) {
      throw wrong('/scopes', `a wallet's key may have ${walletScopes.join(', ')}`)
    }
    const live = wasm.apiKeys.list().filter((key) => key.wallet === wallet && isLive(key, clock.now())).length
    if (live >= keysPerWallet) {
      throw new AppError({
        code: 'not-in-this-state',
        detail: `There are ${live} keys already.`,
        hint: 'Revoke one that is not used any more, then make another.',
      })
    }
    return reply.code(201).send(wasm.apiKeys.create({ wallet, label, scopes, expiresAt }))
  })

  /** A key of the wallet that asks; the operator's calls name none and may touch all. */
  function mustOwn(id: string, query: unknown): void {
    const { wallet } = parse(ownerQuerySchema, query)
    const found = wasm.store.key(id)
    if (found === undefined || (wallet !== undefined && found.wallet !== wallet)) throw noKey()
  }

  app.delete<{ Params: { id: string } }>('/host/v1/keys/:id', (request, reply) => {
    mustOwn(request.params.id, request.query)
    wasm.apiKeys.revoke(request.params.id)
    return reply.code(204).send()
  })

  app.post<{ Params: { id: string } }>('/host/v1/keys/:id/rotation', (request, reply) => {
    mustOwn(request.params.id, request.query)
    const rotated = wasm.apiKeys.rotate(request.params.id)
    if (rotated === undefined) throw noKey()
    return reply.code(201).send(rotated)
  })

  app.get('/host/v1/usage', (request) => {
    const { wallet, payers } = parse(usageQuerySchema, request.query)
    const day = Math.floor(clock.now() / 86_400)
    const used = [wallet, ...payers.split(',').filter((payer) => payer !== '')].map((payer) => {
      const { gas, runs } = wasm.store.usage(payer, day)
      return { payer, gas: String(gas), runs }
    })
    return { day, used, freeGasPerDay }
  })

  app.get('/host/v1/receipts', (request) => {
    const { wallet, before } = parse(receiptsQuerySchema, request.query)
    const rows = wasm.store.receiptsOf(wallet, { ...(before !== undefined && { before }), limit: 50 })
    return {
      receipts: rows.map(({ index, requestId, jws, committedAt, expiresAt }) => ({
        index,
        requestId,
        jws,
        committedAt,
        expiresAt,
      })),
    }
  })

  // whoever has a receipt may ask about it: it names nobody
  app.post('/host/v1/receipt-checks', async (request) => {
    const { receipt: jws } = parse(receiptCheckSchema, request.body)
    const receipt = await verifyReceipt(jws.trim(), wasm.hostKey).catch(() => undefined)
    if (receipt === undefined) {
      return { signed: false, logged: false, receipt: null, proof: null, head: null, hostKey: wasm.hostKey }
    }
    const leaf = wasm.store.leaf(receipt.index)
    const logged = leaf?.equals(leafHash(Buffer.from(jws.trim()))) === true
    const place = logged ? wasm.log.place(receipt.index) : { proof: null, head: null }
    return {
      signed: true,
      logged,
      receipt: { ...receipt, receipt_hash: receiptHash(jws.trim()) },
      ...place,
      hostKey: wasm.hostKey,
    }
  })

  app.get('/host/v1/overview', () => {
    const { health, outcomes, refused, executors, log } = wasm.overview()
    return {
      health,
      outcomes: outcomes.map(({ code, runs, gas }) => ({ code, runs, gas: String(gas) })),
      refused,
      executors,
      log,
      hostKey: wasm.hostKey,
    }
  })
  return app
}

function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw wrong(`/${issue?.path.join('/') ?? ''}`, issue?.message ?? 'is not valid')
}

function wrong(pointer: string, detail: string): AppError {
  return new AppError({ code: 'bad-input', detail: 'This cannot be done.', fields: [{ pointer, detail }] })
}

function noKey(): AppError {
  return new AppError({ code: 'not-found', detail: 'There is no such key of yours that counts.' })
}
