import Fastify, { type FastifyInstance } from 'fastify'
import { AppError, findAppError } from '../../errors/app-error.ts'
import { toProblem } from '../../errors/problem.ts'
import type { Broker, BrokerLog } from '../broker.ts'
import type { Registry } from '../chain/registry.ts'
import { answerText, checkTimes, parseWith, signedRequestSchema, type BrokerRequest } from '../requests/request.ts'
import { RateLimit, sourceOf } from './rate-limit.ts'
import { signerOfRequest, verifyAsker } from './verify.ts'

export interface PublicServerOptions {
  broker: Broker
  registry: Registry
  region: string
  /** Signs answers: the agent of the registry. */
  sign(text: string): Promise<string>
  log: BrokerLog
  /** Requests a minute over all askers, and by one source address. */
  perMinute?: number
  perSourceMinute?: number
  /** Adds routes of names, behind the same limits. */
  names?: ((app: FastifyInstance, check: (source: string) => void) => void) | undefined
}

/** Counts of what was answered, by code; for `/metrics`. */
export const answered = new Map<string, number>()

/**
 * The public API: signed requests and the status, nothing else. It stands behind a proxy with TLS on the same machine, whose
 * `X-Forwarded-For` names the asker; from anybody else that header counts for nothing.
 */
export function publicServer(options: PublicServerOptions): FastifyInstance {
  const { broker, registry, log } = options
  const app = Fastify({ bodyLimit: 16_384, trustProxy: 'loopback', requestTimeout: 30_000, logger: false })
  const all = new RateLimit(broker.clock, options.perMinute ?? 10_000)
  const bySource = new RateLimit(broker.clock, options.perSourceMinute ?? 60)
  const byAsker = new RateLimit(broker.clock, 30)
  handleErrors(app, log)

  const check = (source: string): void => {
    // the source first: one that floods shall not use up everybody's share
    bySource.take(sourceOf(source))
    all.take('')
  }

  app.get('/v1/status', (request) => {
    check(request.ip)
    const { book, contact } = broker
    return {
      v: 1,
      region: options.region,
      broker: {
        wireguardKey: contact.wireguardKey,
        endpoint: contact.endpoint,
        mtu: contact.mtu,
        ...(contact.zone === undefined ? {} : { zone: contact.zone }),
      },
      registry: {
        chainId: registry.options.chainId,
        address: registry.options.registry,
        brokerId: String(registry.options.brokerId),
      },
      lengths: book.pool.lengths,
      terms: {
        termSeconds: book.terms.termSeconds,
        graceSeconds: book.terms.graceSeconds,
        quarantineSeconds: book.terms.quarantineSeconds,
      },
      serving: broker.restored && broker.failure === undefined,
    }
  })

  app.post('/v1/requests', async (http) => {
    check(http.ip)
    const { request, signature } = parseWith(signedRequestSchema, http.body)
    checkMeant(request, broker)
    checkTimes(request, broker.clock.now())
    const signer = signerOfRequest(request, signature)
    byAsker.take(signer)
    const { listed } = await verifyAsker(registry, request, signer)
    const answer = await broker.handle({ request, paid: false, listed, source: { kind: 'http' }, settled: true })
    return { answer, signature: await options.sign(answerText(request, answer)) }
  })

  options.names?.(app, check)
  return app
}

/** A request for another broker is nothing to this one, whoever carried it here. */
export function checkMeant(request: Pick<BrokerRequest, 'broker'>, broker: Broker): void {
  if (request.broker === broker.contact.wireguardKey) return
  const detail = `The request is for the broker ${request.broker}; this one is ${broker.contact.wireguardKey}`
  throw new AppError({ code: 'bad-input', detail, fields: [{ pointer: '/request/broker', detail }] })
}

/** One funnel: every failure leaves as RFC 9457, what is no AppError as a plain `internal`. */
export function handleErrors(app: FastifyInstance, log: BrokerLog): void {
  app.addHook('onResponse', (request, reply, done) => {
    const code = reply.getHeader('x-freehold-code')
    const key = typeof code === 'string' ? code : String(reply.statusCode)
    answered.set(key, (answered.get(key) ?? 0) + 1)
    done()
  })
  app.setNotFoundHandler(() => {
    throw new AppError({ code: 'not-found', detail: 'There is no such page.' })
  })
  app.setErrorHandler((error, request, reply) => {
    const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
    const known =
      findAppError(error) ??
      (status === 413
        ? new AppError({ code: 'body-too-large', detail: 'The body is above 16 KiB.', hint: 'Send at most 16 KiB.' })
        : status < 500
          ? new AppError({ code: 'bad-input', detail: 'The body is no JSON.', cause: error })
          : undefined)
    if (known === undefined || known.status >= 500) log.error({ err: error, requestId: request.id }, 'request failed')
    const problem = toProblem(known ?? error, { instance: request.url.split('?')[0] ?? '/', requestId: request.id })
    if (known?.retryAfterSeconds !== undefined) void reply.header('retry-after', String(known.retryAfterSeconds))
    return reply
      .code(problem.status)
      .header('x-freehold-code', problem.code)
      .type('application/problem+json')
      .send(JSON.stringify(problem))
  })
}
