import Fastify, { type FastifyInstance } from 'fastify'
import { parseCidr } from 'wireguard-ts/address'
import { WireGuardError } from 'wireguard-ts/errors'
import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { Broker, BrokerLog } from '../broker.ts'
import { answered, handleErrors } from '../http/public-server.ts'
import { stateOf, type LeaseState } from '../leases/state.ts'
import { slots } from '../leases/pool.ts'
import { parseWith } from '../requests/request.ts'
import type { Identity } from '../types.ts'
import { page } from './page.ts'
import { abuseReport, leaseView } from './views.ts'

const ports = z.array(z.int().min(1).max(65_535)).max(64)
const why = z.string().regex(/^[^\p{Cc}]{1,200}$/u, 'say why in one line of at most 200 characters')
const bodies = {
  why: z.strictObject({ why }),
  policy: z.strictObject({
    closed: z.strictObject({ tcp: ports, udp: ports }).optional(),
    rateCapBytesPerSecond: z
      .int()
      .min(1000)
      // what a limit of nftables holds: more would be refused there, for all leases at once
      .max(2 ** 32 - 1)
      .nullable()
      .optional(),
  }),
  admit: z.strictObject({
    identity: z.string().regex(/^[0-9a-f]{12}$/, 'not an installation id of 12 hex digits'),
    note: z.string().max(200).default(''),
  }),
}

/**
 * What the operator may do. Two doors: the unix socket, whose mode is its login, and a loopback port behind a password. Neither is
 * reached from outside.
 */
export function adminServer(options: {
  broker: Broker
  log: BrokerLog
  agent: { balance(): Promise<bigint>; address: string }
  password?: string
}): FastifyInstance {
  const { broker, log, agent, password } = options
  const app = Fastify({ bodyLimit: 16_384, logger: false })
  handleErrors(app, log)
  if (password !== undefined) guard(app, password)
  const { book } = broker
  const now = (): number => broker.clock.now()
  const view = (lease: Parameters<typeof leaseView>[0]) => leaseView(lease, now(), broker.counters(lease.id))

  const status = async (): Promise<Record<string, unknown>> => {
    const live = book.leases.live()
    const states: Partial<Record<LeaseState, number>> = {}
    for (const lease of live) states[stateOf(lease, now())] = (states[stateOf(lease, now())] ?? 0) + 1
    return {
      serving: broker.restored && broker.failure === undefined,
      ...(broker.failure === undefined ? {} : { failure: broker.failure }),
      pool: book.pool.network,
      leases: live.length,
      ofPossible: String(slots(book.pool, book.pool.lengths[0]) - 1n),
      states,
      driftRepaired: broker.repaired,
      hostsAnswering: `${broker.reachability.answering} of ${broker.reachability.asked} pinged`,
      agent: agent.address,
      agentWei: String(await agent.balance().catch(() => 'unknown')),
      wireguardKey: broker.contact.wireguardKey,
    }
  }

  app.get('/healthz', (_, reply) =>
    reply
      .code(broker.restored && broker.failure === undefined ? 200 : 503)
      .send({ serving: broker.restored, failure: broker.failure ?? null }),
  )
  app.get('/metrics', async (_, reply) => reply.type('text/plain; version=0.0.4').send(metricsText(await status(), broker)))
  app.get('/v1/status', status)
  app.get('/v1/leases', (request) => {
    const all = parseWith(z.object({ all: z.enum(['true', 'false']).optional() }), request.query).all === 'true'
    return { leases: (all ? book.leases.all() : book.leases.live()).map(view) }
  })
  app.get<{ Params: { id: string } }>('/v1/leases/:id', ({ params }) => view(book.live(params.id)))
  app.post<{ Params: { id: string } }>('/v1/leases/:id/suspend', async ({ params, body }) => {
    const reason = parseWith(bodies.why, body).why
    return view(await broker.operate((b, at) => b.suspend(params.id, reason, at)))
  })
  app.post<{ Params: { id: string } }>('/v1/leases/:id/resume', async ({ params }) =>
    view(await broker.operate((b, at) => b.resume(params.id, at))),
  )
  app.post<{ Params: { id: string } }>('/v1/leases/:id/release', async ({ params, body }) => {
    const reason = parseWith(bodies.why, body).why
    return view(await broker.operate((b, at) => b.release(params.id, reason, at)))
  })
  app.post<{ Params: { id: string } }>('/v1/leases/:id/policy', async ({ params, body }) => {
    const { closed, rateCapBytesPerSecond } = parseWith(bodies.policy, body)
    const policy = {
      ...(closed === undefined ? {} : { closed }),
      ...(rateCapBytesPerSecond === undefined ? {} : { rateCap: rateCapBytesPerSecond }),
    }
    return view(await broker.operate((b, at) => b.setPolicy(params.id, policy, at)))
  })
  app.post<{ Params: { id: string } }>('/v1/leases/:id/ping', async ({ params }) => {
    const { address, ms } = await broker.reach(params.id)
    return { address, answered: ms !== undefined, ...(ms !== undefined && { ms }) }
  })
  app.get('/v1/plan', async () => ({ changes: await broker.plan() }))
  app.get('/v1/held', (request) => {
    const { address, at } = parseWith(
      z.strictObject({ address: z.string(), at: z.coerce.number().int().positive() }),
      request.query,
    )
    return abuseReport(address, at, book.leases.heldAt(single(address), at), now())
  })
  app.get('/v1/ledger', (request) => {
    const { after } = parseWith(z.strictObject({ after: z.coerce.number().int().nonnegative().default(0) }), request.query)
    return { lines: book.leases.ledger(after, 1000) }
  })
  app.get('/v1/admitted', () => ({ admitted: book.admitted() }))
  app.post('/v1/admitted', ({ body }) => {
    const { identity, note } = parseWith(bodies.admit, body)
    book.admit(identity as Identity, note, now())
    return { admitted: book.admitted() }
  })
  app.delete<{ Params: { identity: string } }>('/v1/admitted/:identity', ({ params }) => ({
    dismissed: book.dismiss(params.identity as Identity),
  }))
  app.get('/', async (_, reply) => {
    const text = page(await status(), book.leases.live().map(view))
    return reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(text)
  })
  return app
}

/** One address. Throws `bad-input`. */
function single(text: string): ReturnType<typeof parseCidr> {
  try {
    const network = parseCidr(text)
    if (text.includes('/') || !network.includes(':'))
      throw new WireGuardError(
        'bad-address',
        `${JSON.stringify(text.slice(0, 60))} is no single IPv6 address`,
        'Write 2001:db8::5.',
      )
    return network
  } catch (cause) {
    if (!(cause instanceof WireGuardError)) throw cause
    throw new AppError({
      code: 'bad-input',
      detail: cause.message,
      hint: cause.hint,
      fields: [{ pointer: '/address', detail: cause.message }],
      cause,
    })
  }
}

function guard(app: FastifyInstance, password: string): void {
  const wanted = `Basic ${Buffer.from(`operator:${password}`).toString('base64')}`
  app.addHook('onRequest', async (request, reply) => {
    // the page is for browsers of this machine: what another site sends across is refused with its origin
    const { origin, authorization } = request.headers
    if (origin !== undefined && origin !== `http://${request.headers.host ?? ''}`)
      throw new AppError({ code: 'wrong-origin', detail: 'The request came from another site.' })
    if (authorization !== undefined && authorization.length === wanted.length && same(authorization, wanted)) return
    void reply.header('www-authenticate', 'Basic realm="freehold-broker"')
    throw new AppError({
      code: 'not-signed-in',
      detail: 'The page of the broker asks for its password.',
      hint: 'User operator; the password is in the file page-password of the secrets folder.',
    })
  })
}

/** In constant time for texts of one length. */
function same(a: string, b: string): boolean {
  let difference = 0
  for (let i = 0; i < b.length; i += 1) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

/** Prometheus text. Counters by lease carry the prefix, which is public; never an endpoint. */
function metricsText(status: Record<string, unknown>, broker: Broker): string {
  const lines = [
    `freehold_broker_serving ${status['serving'] === true ? 1 : 0}`,
    `freehold_broker_leases ${String(status['leases'])}`,
    `freehold_broker_leases_possible ${String(status['ofPossible'])}`,
    `freehold_broker_drift_repaired_total ${broker.repaired}`,
    `freehold_broker_hosts_pinged ${broker.reachability.asked}`,
    `freehold_broker_hosts_answering ${broker.reachability.answering}`,
    ...Object.entries(status['states'] as Record<string, number>).map(
      ([state, count]) => `freehold_broker_leases_in_state{state="${state}"} ${count}`,
    ),
    ...[...answered].map(([code, count]) => `freehold_broker_answers_total{code="${code}"} ${count}`),
    ...broker.book.leases.live().flatMap((lease) => {
      const counters = broker.counters(lease.id)
      if (counters === undefined) return []
      const labels = `{prefix="${lease.prefix}"}`
      return [
        `freehold_broker_bytes_out_total${labels} ${counters.bytesOut}`,
        `freehold_broker_bytes_in_total${labels} ${counters.bytesIn}`,
      ]
    }),
  ]
  return `${lines.join('\n')}\n`
}
