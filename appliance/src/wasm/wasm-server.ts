import { randomUUID } from 'node:crypto'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../clock/clock.ts'
import { executeSchema } from './execute-schema.ts'
import type { ApiKeyring } from './keys/api-keyring.ts'
import type { Scope, StoredApiKey } from './keys/api-keys.ts'
import type { KeyRing } from './keys/key-ring.ts'
import { commitmentTypes, sameCommitment } from './protocol/commitment.ts'
import type { ReceiptLog } from './receipt-log.ts'
import { parseUniqueJson } from './unique-json.ts'
import { WasmRefusal, wasmErrors } from './wasm-error.ts'
import type { WasmService } from './wasm-service.ts'
import type { WasmStore } from './wasm-store.ts'

export interface WasmServerPorts {
  clock: Clock
  service: WasmService
  keys: KeyRing
  apiKeys: ApiKeyring
  log: ReceiptLog
  store: WasmStore
  /** The key document, signed. */
  keyDocument(): Promise<{ keys: unknown[]; jws: string; host_key: unknown }>
  health(): Record<string, unknown>
  metrics(): Promise<{ type: string; text: string }>
  /** Bytes of the largest body: 1.4 times the largest module. */
  bodyLimit: number
  logLine(line: Record<string, unknown>): void
}

const verifyQuery = z.strictObject({ commitment_type: z.enum(commitmentTypes), hash_value: z.string().regex(/^[0-9a-f]{64}$/) })
const consistencyQuery = z.strictObject({ from: z.coerce.number().int().min(1), to: z.coerce.number().int().min(1) })
const newKeySchema = z.strictObject({
  label: z.string().max(80),
  scopes: z.array(z.enum(['execute', 'verify', 'metrics', 'admin'])).min(1),
  expires_at: z.number().int().positive().optional(),
})

/** The hosting service's HTTP: literal paths, fields and codes of its specification. */
export function createWasmServer(ports: WasmServerPorts): FastifyInstance {
  const app = fastify({
    bodyLimit: ports.bodyLimit,
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    genReqId: () => randomUUID(),
    forceCloseConnections: true,
  })
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, parseUniqueJson(body as string))
    } catch (error) {
      done(new WasmRefusal('INVALID_REQUEST', { detail: 'The body is no JSON, or names a member twice.', cause: error }))
    }
  })
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply))
  app.setNotFoundHandler((request, reply) => sendError(new WasmRefusal('NOT_FOUND'), request, reply))

  function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refusal = refusalOf(error)
    if (refusal.code === 'INTERNAL') {
      ports.logLine({ level: 'error', request_id: request.id, message: error instanceof Error ? error.message : 'unknown' })
    }
    if (refusal.retryAfterSeconds !== undefined) void reply.header('retry-after', String(refusal.retryAfterSeconds))
    const body = {
      error_code: refusal.code,
      message: refusal.message,
      timestamp: new Date(ports.clock.now() * 1000).toISOString(),
      request_id: request.id,
      ...refusal.facts,
    }
    void reply.code(refusal.status)
    if (request.headers.accept?.includes('application/problem+json') !== true) return reply.type('application/json').send(body)
    const code = refusal.code.toLowerCase().replaceAll('_', '-')
    const problem = {
      type: `urn:freehold:wasm:${code}`,
      title: wasmErrors[refusal.code].message,
      status: refusal.status,
      detail: refusal.message,
      code,
    }
    return reply.type('application/problem+json').send({ ...problem, ...body })
  }

  function keyFor(request: FastifyRequest, scope: Scope): StoredApiKey {
    const header = request.headers['x-api-key']
    return ports.apiKeys.authorize(typeof header === 'string' ? header : undefined, scope)
  }

  for (const path of ['/v1/execute', '/execute']) {
    app.post(path, async (request, reply) => {
      const key = keyFor(request, 'execute')
      const body = parse(executeSchema, request.body)
      const gone = new AbortController()
      reply.raw.on('close', () => reply.raw.writableFinished || gone.abort())
      const answer = await ports.service.execute(body, key.wallet ?? key.id, gone.signal)
      return reply.send(answer)
    })
  }

  app.get('/v1/keys', () => ports.keyDocument())
  app.post('/v1/keys', (request, reply) => {
    keyFor(request, 'execute')
    const key = ports.keys.oneTime()
    if (key === undefined) throw new WasmRefusal('CAPACITY_EXCEEDED', { retryAfterSeconds: 60 })
    return reply.code(201).send(key)
  })

  for (const path of ['/v1/verify/:requestId', '/verify/:requestId']) {
    app.get<{ Params: { requestId: string } }>(path, (request) => {
      const key = keyFor(request, 'verify')
      const { commitment_type: type, hash_value: hash } = parse(verifyQuery, request.query)
      const found = ports.store.receipt(request.params.requestId)
      const own = found !== undefined && found.owner === (key.wallet ?? key.id)
      if (found === undefined || found.expiresAt <= ports.clock.now()) throw new WasmRefusal('COMMITMENT_NOT_FOUND')
      const stored = found.commitments[type]
      return {
        verified: stored !== undefined && sameCommitment(stored, hash),
        committed_at: new Date(found.committedAt * 1000).toISOString(),
        expires_at: new Date(found.expiresAt * 1000).toISOString(),
        // only its owner is told what stands there
        ...(own && { receipt: found.jws, inclusion_proof: ports.log.proof(found.index) }),
      }
    })
  }

  app.get('/v1/log/head', () => ports.log.head())
  app.get('/v1/log/consistency', (request) => {
    const { from, to } = parse(consistencyQuery, request.query)
    if (from > to || to > ports.log.size) throw new WasmRefusal('INVALID_REQUEST', { detail: 'There are no such sizes.' })
    return { from, to, hashes: ports.log.consistency(from, to) }
  })

  for (const path of ['/health', '/v1/health']) app.get(path, () => ports.health())
  for (const path of ['/metrics', '/v1/metrics']) {
    app.get(path, async (request, reply) => {
      keyFor(request, 'metrics')
      const { type, text } = await ports.metrics()
      return reply.type(type).send(text)
    })
  }

  app.get('/v1/api-keys', (request) => {
    keyFor(request, 'admin')
    return { keys: ports.apiKeys.list() }
  })
  app.post('/v1/api-keys', (request, reply) => {
    keyFor(request, 'admin')
    const { label, scopes, expires_at: expiresAt } = parse(newKeySchema, request.body)
    return reply.code(201).send(ports.apiKeys.create({ label, scopes, wallet: null, expiresAt: expiresAt ?? null }))
  })
  app.delete<{ Params: { id: string } }>('/v1/api-keys/:id', (request, reply) => {
    keyFor(request, 'admin')
    if (!ports.apiKeys.revoke(request.params.id)) throw new WasmRefusal('NOT_FOUND')
    return reply.code(204).send()
  })
  app.post<{ Params: { id: string } }>('/v1/api-keys/:id/rotation', (request, reply) => {
    keyFor(request, 'admin')
    const rotated = ports.apiKeys.rotate(request.params.id)
    if (rotated === undefined) throw new WasmRefusal('NOT_FOUND')
    return reply.code(201).send(rotated)
  })
  return app
}

function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new WasmRefusal('INVALID_REQUEST', {
    detail: `${issue?.path.join('.') || 'the body'}: ${issue?.message ?? 'not valid'}.`,
  })
}

function refusalOf(error: unknown): WasmRefusal {
  if (error instanceof WasmRefusal) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new WasmRefusal('PAYLOAD_TOO_LARGE', { cause: error })
  if (code.startsWith('FST_ERR_CTP')) return new WasmRefusal('INVALID_REQUEST', { detail: 'Send JSON.', cause: error })
  return new WasmRefusal('INTERNAL', { cause: error })
}
