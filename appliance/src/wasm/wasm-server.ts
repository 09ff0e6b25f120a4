import { randomUUID, randomUUIDv7 } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../clock/clock.ts'
import { parseExecuteBody } from './execute-body.ts'
import { executeSchema } from './execute-schema.ts'
import { KeptAnswers, type KeptAnswer } from './kept-answers.ts'
import type { ApiKeyring } from './keys/api-keyring.ts'
import { ownerOf, scopes, type Scope, type StoredApiKey } from './keys/api-keys.ts'
import type { PublishedKey } from './keys/key-ring.ts'
import { commitmentTypes, sameCommitment } from './protocol/commitment.ts'
import type { RateLimits } from './rate-limits.ts'
import { readBody } from './read-body.ts'
import type { ReceiptLog } from './receipt-log.ts'
import { WasmRefusal, wasmErrors, type WasmErrorCode } from './wasm-error.ts'
import { wasmOpenApi } from './wasm-openapi.ts'
import type { WasmService } from './wasm-service.ts'
import type { WasmStore } from './wasm-store.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the API key of a request must be allowed to do; absent: everybody may. */
    scope?: Scope
    /** Counted against the key's rate. */
    metered?: boolean
  }
  interface FastifyRequest {
    apiKey: StoredApiKey | null
    /** What `encrypted_wasm` of the body says, where that is large; see `ExecuteBody`. */
    program: Uint8Array<ArrayBuffer> | undefined
  }
}

export interface WasmServerPorts {
  clock: Clock
  service: WasmService
  apiKeys: ApiKeyring
  log: ReceiptLog
  store: WasmStore
  rates: RateLimits
  /** The key document, signed. */
  keyDocument(): Promise<{ keys: unknown[]; jws: string; host_key: unknown }>
  /** A key for one request; none while too many are alive. */
  oneTimeKey(): Promise<PublishedKey | undefined>
  health(): Record<string, unknown> & { status: string }
  metrics(): Promise<{ type: string; text: string }>
  /** Told of each answer, for metrics. `route` is the pattern, never the path. */
  onAnswer?(answer: { route: string; method: string; status: number; seconds: number }): void
  /** Told of each refusal, for metrics. */
  onRefused?(code: WasmErrorCode): void
  /** Bytes of the largest body: 1.4 times the largest module. */
  bodyLimit: number
  /** Milliseconds in which a request has to arrive whole. Default: 30 s. */
  arriveMs?: number
  logLine(line: Record<string, unknown>): void
}

const verifyQuery = z.strictObject({ commitment_type: z.enum(commitmentTypes), hash_value: z.string().regex(/^[0-9a-f]{64}$/) })
const consistencyQuery = z.strictObject({ from: z.coerce.number().int().min(1), to: z.coerce.number().int().min(1) })
const newKeySchema = z.strictObject({
  label: z.string().max(80),
  scopes: z.array(z.enum(scopes)).min(1),
  expires_at: z.number().int().positive().optional(),
})
/** Headers of an answer that a page may read. */
const exposed = 'retry-after, ratelimit, ratelimit-policy'
const idempotencyKey = z.string().min(8).max(200)

/** The hosting service's HTTP: literal paths, fields and codes of its specification. */
export function createWasmServer(ports: WasmServerPorts): FastifyInstance {
  const arriveMs = ports.arriveMs ?? 30_000
  const app = fastify({
    bodyLimit: ports.bodyLimit,
    requestTimeout: arriveMs,
    // Node swaps the two limits where that of the headers is the larger, and looks every 30 s unless told otherwise
    http: {
      headersTimeout: Math.min(15_000, arriveMs),
      requestTimeout: arriveMs,
      connectionsCheckingInterval: Math.min(5000, arriveMs),
    },
    keepAliveTimeout: 65_000,
    // in the order of time (RFC 9562 §5.7): the log's index of them grows at its end
    genReqId: () => randomUUIDv7(),
    // who has a call running gets its answer; see `close` of open-wasm.ts
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket),
  })
  const kept = new KeptAnswers(ports.clock)
  app.decorateRequest('apiKey', null)
  app.decorateRequest('program', undefined)
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', async (request: FastifyRequest, payload: Readable) => {
    const body = await readBody(payload, { declared: lengthOf(request), limit: ports.bodyLimit })
    try {
      const { value, program } = parseExecuteBody(body)
      request.program = program
      return value
    } catch (error) {
      throw new WasmRefusal('INVALID_REQUEST', { detail: 'The body is no JSON, or names a member twice.', cause: error })
    }
  })
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply))
  app.setNotFoundHandler((request, reply) => sendError(new WasmRefusal('NOT_FOUND'), request, reply))
  // pages of any origin may call: a key in a header is no cookie, nothing that a browser has of its own goes along
  app.addHook('onRequest', (_request, reply, done) => {
    void reply.header('access-control-allow-origin', '*').header('access-control-expose-headers', exposed)
    done()
  })
  app.options('/*', (_request, reply) =>
    reply
      .code(204)
      .header('access-control-allow-methods', 'GET, POST, DELETE')
      .header('access-control-allow-headers', 'content-type, x-api-key, idempotency-key, accept')
      .header('access-control-max-age', '86400')
      .send(),
  )
  // key and rate come before a byte of the body is read: a stranger sends nothing large
  app.addHook('onRequest', (request, reply, done) => {
    try {
      admit(request, reply)
      done()
    } catch (error) {
      done(error as Error)
    }
  })
  // a body in chunks names no length: its bytes are counted as they come, also those of a body that is refused half-way
  app.addHook('preParsing', (request, _reply, payload, done) => {
    const { apiKey, routeOptions } = request
    const length = lengthOf(request)
    if (length !== undefined && length > ports.bodyLimit) return done(new WasmRefusal('PAYLOAD_TOO_LARGE'))
    if (apiKey !== null && routeOptions.config.metered === true && length === undefined) {
      payload.on('data', (part: Buffer) => ports.rates.spendBytes(apiKey.id, part.length))
    }
    done(null, payload)
  })
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none'
    const line = { route, method: request.method, status: reply.statusCode, seconds: reply.elapsedTime / 1000 }
    ports.onAnswer?.(line)
    ports.logLine({ level: 'info', request_id: request.id, key: request.apiKey?.id, ...line })
    done()
  })

  function admit(request: FastifyRequest, reply: FastifyReply): void {
    const { scope, metered } = request.routeOptions.config
    if (scope === undefined) return
    const header = request.headers['x-api-key']
    request.apiKey = ports.apiKeys.authorize(typeof header === 'string' ? header : undefined, scope)
    if (metered !== true) return
    const bytes = Number(request.headers['content-length'] ?? 0)
    const { remaining, resetSeconds, waitSeconds } = ports.rates.take(request.apiKey.id, bytes)
    void reply.header('ratelimit', `"requests";r=${remaining};t=${resetSeconds}`).header('ratelimit-policy', ports.rates.policy)
    if (waitSeconds !== null) throw new WasmRefusal('RATE_LIMITED', { retryAfterSeconds: waitSeconds })
  }

  function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refusal = refusalOf(error)
    ports.onRefused?.(refusal.code)
    if (refusal.code === 'INTERNAL') {
      ports.logLine({ level: 'error', request_id: request.id, message: error instanceof Error ? error.message : 'unknown' })
    } else if (refusal.status === 401 || refusal.status === 403 || refusal.code === 'REPLAY_DETECTED') {
      ports.logLine({ level: 'warn', security: true, request_id: request.id, code: refusal.code, key: request.apiKey?.id })
    }
    // the rest of such a body is not read
    if (refusal.code === 'PAYLOAD_TOO_LARGE') void reply.header('connection', 'close')
    if (refusal.retryAfterSeconds !== undefined) void reply.header('retry-after', String(refusal.retryAfterSeconds))
    const body = errorBody(refusal, request.id, ports.clock)
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

  /** What is no HTTP, or comes too slowly: there is no request to answer to, but the words are the same. */
  function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
    const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    const refusal = new WasmRefusal('INVALID_REQUEST', {
      detail: slow ? 'It took too long to arrive.' : 'It is no HTTP that is understood here.',
    })
    ports.onRefused?.(refusal.code)
    const text = JSON.stringify(errorBody(refusal, randomUUID(), ports.clock))
    socket.end(
      `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
    )
  }

  async function execute(request: FastifyRequest, reply: FastifyReply, key: StoredApiKey): Promise<KeptAnswer> {
    const body = parse(executeSchema, request.body)
    const sealed = request.program ?? body.encrypted_wasm
    const gone = new AbortController()
    reply.raw.on('close', () => reply.raw.writableFinished || gone.abort())
    try {
      const answer = await ports.service.execute(
        { ...body, encrypted_wasm: sealed },
        ownerOf(key),
        gone.signal,
        request.id,
        (milliseconds) => ports.rates.spendCompiling(key.id, milliseconds),
      )
      ports.rates.spend(key.id, BigInt(String(answer.execution_summary['gas_billed'])))
      return { status: 200, body: answer }
    } catch (error) {
      const refusal = refusalOf(error)
      const summary = refusal.facts?.['execution_summary'] as Record<string, unknown> | undefined
      if (summary !== undefined) ports.rates.spend(key.id, BigInt(String(summary['gas_billed'])))
      throw refusal
    }
  }

  for (const path of ['/v1/execute', '/execute']) {
    app.post(path, { config: { scope: 'execute', metered: true } }, async (request, reply) => {
      const key = keyOf(request)
      const name = request.headers['idempotency-key']
      if (name === undefined) return reply.send((await execute(request, reply, key)).body)
      const whole = { value: request.body, ...(request.program !== undefined && { program: request.program }) }
      const answer = await kept.once(key.id, parse(idempotencyKey, name), whole, () =>
        execute(request, reply, key).catch((error: unknown) => {
          const refusal = refusalOf(error)
          // a guest that ran has an end, which is kept like a result; that there was no room is none
          if (refusal.facts === undefined || refusal.status === 503) throw refusal
          return { status: refusal.status, body: errorBody(refusal, request.id, ports.clock) }
        }),
      )
      return reply.code(answer.status).send(answer.body)
    })
  }

  app.get('/v1/keys', () => ports.keyDocument())
  app.post('/v1/keys', { config: { scope: 'execute', metered: true } }, async (_request, reply) => {
    const key = await ports.oneTimeKey()
    if (key === undefined) throw new WasmRefusal('CAPACITY_EXCEEDED', { retryAfterSeconds: 60 })
    return reply.code(201).send(key)
  })

  for (const path of ['/v1/verify/:requestId', '/verify/:requestId']) {
    app.get<{ Params: { requestId: string } }>(path, { config: { scope: 'verify' } }, async (request) => {
      const { commitment_type: type, hash_value: hash } = parse(verifyQuery, request.query)
      const found = ports.store.receipt(request.params.requestId)
      const own = found !== undefined && found.owner === ownerOf(keyOf(request))
      if (found === undefined || found.expiresAt <= ports.clock.now()) throw new WasmRefusal('COMMITMENT_NOT_FOUND')
      const stored = found.commitments[type]
      // only its owner is told what stands there
      const place = own ? ports.log.place(found.index) : undefined
      return {
        verified: stored !== undefined && sameCommitment(stored, hash),
        committed_at: new Date(found.committedAt * 1000).toISOString(),
        expires_at: new Date(found.expiresAt * 1000).toISOString(),
        ...(place !== undefined && { receipt: found.jws, inclusion_proof: place.proof, log_head: place.head }),
      }
    })
  }

  app.get('/v1/log/head', () => ports.log.signedHead())
  app.get('/v1/log/consistency', (request) => {
    const { from, to } = parse(consistencyQuery, request.query)
    if (from > to || to > ports.log.size) throw new WasmRefusal('INVALID_REQUEST', { detail: 'There are no such sizes.' })
    return { from, to, hashes: ports.log.consistency(from, to) }
  })

  for (const path of ['/health', '/v1/health']) app.get(path, () => ports.health())
  // alive: it answers; ready: it would take a call now
  app.get('/health/live', () => ({ status: 'ok' }))
  app.get('/health/ready', (_request, reply) => {
    const { status } = ports.health()
    return reply.code(status === 'ok' ? 200 : 503).send({ status })
  })
  for (const path of ['/metrics', '/v1/metrics']) {
    app.get(path, { config: { scope: 'metrics' } }, async (_request, reply) => {
      const { type, text } = await ports.metrics()
      return reply.type(type).send(text)
    })
  }
  const openApi = wasmOpenApi()
  for (const path of ['/openapi.json', '/v1/openapi.json']) app.get(path, () => openApi)

  const admin = { config: { scope: 'admin' } } as const
  app.get('/v1/api-keys', admin, () => ({ keys: ports.apiKeys.list() }))
  app.post('/v1/api-keys', admin, (request, reply) => {
    const { label, scopes: wanted, expires_at: expiresAt } = parse(newKeySchema, request.body)
    return reply.code(201).send(ports.apiKeys.create({ label, scopes: wanted, wallet: null, expiresAt: expiresAt ?? null }))
  })
  app.delete<{ Params: { id: string } }>('/v1/api-keys/:id', admin, (request, reply) => {
    if (!ports.apiKeys.revoke(request.params.id)) throw new WasmRefusal('NOT_FOUND')
    return reply.code(204).send()
  })
  app.post<{ Params: { id: string } }>('/v1/api-keys/:id/rotation', admin, (request, reply) => {
    const rotated = ports.apiKeys.rotate(request.params.id)
    if (rotated === undefined) throw new WasmRefusal('NOT_FOUND')
    return reply.code(201).send(rotated)
  })
  return app
}

function keyOf({ apiKey }: FastifyRequest): StoredApiKey {
  if (apiKey === null) throw new WasmRefusal('UNAUTHORIZED')
  return apiKey
}

/** Bytes of the body, where the request says how many. */
function lengthOf({ headers }: FastifyRequest): number | undefined {
  const length = headers['content-length']
  return length === undefined ? undefined : Number(length)
}

function errorBody(refusal: WasmRefusal, requestId: string, clock: Clock): Record<string, unknown> {
  return {
    error_code: refusal.code,
    message: refusal.message,
    timestamp: new Date(clock.now() * 1000).toISOString(),
    request_id: requestId,
    ...refusal.facts,
  }
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
