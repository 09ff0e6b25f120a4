import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { z } from 'zod'
import { AppError } from '../errors/app-error.ts'
import { toProblem } from '../errors/problem.ts'
import type { VmRepository } from '../store/vms.ts'
import { createAllowance, createSlots } from './allowance.ts'
import { presenceOfCertificate } from './certificates/certificate-presence.ts'
import { newHexId } from './codes.ts'
import { guestBySecret, guestByToken, type Guest } from './guest-auth.ts'
import {
  answerOf,
  awaitPresence,
  beginLogin,
  certificateQuerySchema,
  loginBodySchema,
  longPollMs,
  ownRequest,
  refusalOf,
  presenceQuerySchema,
  replyBodySchema,
  report,
  reportBodySchema,
  type GuestRoutePorts,
} from './guest-routes.ts'
import type { TlsIdentity } from './tls-identity.ts'

const bodyLimit = 16 * 1024

export interface GuestEndpointPorts extends Omit<GuestRoutePorts, 'vms'> {
  vms: Pick<VmRepository, 'get' | 'mark' | 'useSecret'>
  login: TlsIdentity
  /** One line for the log; never with a secret. */
  log(line: string): void
}

/** The guests' own endpoint: TLS 1.3, the guest API of PROTOCOL.md and nothing else. */
export interface GuestEndpoint {
  /** Binds `address:port` (or `[v6]:port`). Port 0 chooses one. Resolves with the port; throws `port-in-use`. */
  listen(at: string): Promise<number>
  /** Ends open polls and connections. */
  close(): Promise<void>
}

/**
 * Limits that keep one guest's flood from the others. A guest's sshd lets 400 people wait at once (MaxStartups). Each of them has
 * two connections, its own and one for *Not me*, and makes three calls up to its shell, besides a poll each 25 s; a refused call
 * ends a login for good.
 */
const limits = { connections: 8000, connectionsPerPeer: 1000, pollsPerVm: 400, refusalsPerVm: 400, presencePerVm: 4 }
const callsPerVm = { burst: 600, perSecond: 40 }

export function createGuestEndpoint(ports: GuestEndpointPorts): GuestEndpoint {
  const secretsSeen = new Set<string>()
  const perVm = createAllowance(ports.clock, callsPerVm)
  const reports = createAllowance(ports.clock, { burst: 20, perSecond: 2 })
  const polls = createSlots(limits.pollsPerVm)
  const refusals = createSlots(limits.refusalsPerVm)
  const presences = createSlots(limits.presencePerVm)
  const connections = createSlots(limits.connectionsPerPeer)
  const closing = new AbortController()

  async function authenticated(request: IncomingMessage): Promise<Guest> {
    const guest = await guestBySecret(ports, request.headers.authorization, peerOf(request))
    limit(perVm.take(guest.mark))
    // from its first use on the token of the seed opens nothing any more
    if (!secretsSeen.has(guest.mark)) {
      if (guest.row.secretUsedAt === null) await ports.vms.useSecret(guest.key)
      secretsSeen.add(guest.mark)
    }
    return guest
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<{ status: number; body: object }> {
    // taken literally: nothing here is normalised into another path
    const [path = '', query = ''] = (request.url ?? '/').split('?', 2)
    const call = `${request.method} ${path}`
    const id = /^(?:GET|POST) \/guest\/v1\/login-requests\/([0-9a-f]{32})(?:\/reply|\/refusal)?$/.exec(call)?.[1]
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    const signal = AbortSignal.any([gone.signal, closing.signal])

    if (call === 'POST /guest/v1/report') {
      const { token, hostKeys } = await bodyOf(request, reportBodySchema)
      const guest = await guestByToken(ports, token, peerOf(request))
      limit(reports.take(guest.mark))
      return { status: 200, body: await report(ports, guest, hostKeys) }
    }
    const guest = await authenticated(request)
    if (call === 'POST /guest/v1/login-requests') {
      return { status: 201, body: await beginLogin(ports, guest, await bodyOf(request, loginBodySchema)) }
    }
    if (id !== undefined && call.startsWith('POST') && call.endsWith('/reply')) {
      const { reply } = await bodyOf(request, replyBodySchema)
      const own = ownRequest(ports.signIn, guest, id)
      ports.signIn.reply(own, reply)
      return { status: 200, body: await answerOf(ports.signIn, own) }
    }
    if (id !== undefined && call.startsWith('GET') && call.endsWith('/refusal')) {
      const own = ownRequest(ports.signIn, guest, id)
      await holding(refusals.enter(guest.mark), () => ports.signIn.requests.ended(own, longPollMs, signal))
      return { status: 200, body: refusalOf(own) }
    }
    if (id !== undefined && call.startsWith('GET') && call.endsWith(id)) {
      const own = ownRequest(ports.signIn, guest, id)
      await holding(polls.enter(guest.mark), () => ports.signIn.requests.settled(own, longPollMs, signal))
      return { status: 200, body: await answerOf(ports.signIn, own) }
    }
    if (call === 'GET /guest/v1/presence') {
      const asked = new URLSearchParams(query)
      if (asked.has('certificate')) {
        const { certificate } = parse(certificateQuerySchema, Object.fromEntries(asked))
        return { status: 200, body: await presenceOfCertificate(ports, guest.key, certificate) }
      }
      const known = parse(presenceQuerySchema, Object.fromEntries(asked))
      return { status: 200, body: await holding(presences.enter(guest.mark), () => awaitPresence(ports, guest, known, signal)) }
    }
    throw new AppError({ code: 'not-found', detail: 'This endpoint has no such call.' })
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    void route(request, response)
      .catch((error: unknown) => problemOf(request, response, error))
      .then(({ status, body }) => {
        if (response.destroyed) return
        const text = JSON.stringify(body)
        const type = status < 400 ? 'application/json' : 'application/problem+json'
        response.writeHead(status, {
          'content-type': type,
          'content-length': Buffer.byteLength(text),
          'cache-control': 'no-store',
        })
        response.end(text)
      })
  }

  function problemOf(request: IncomingMessage, response: ServerResponse, error: unknown): { status: number; body: object } {
    const requestId = newHexId()
    const problem = toProblem(error, { instance: (request.url ?? '/').split('?')[0] ?? '/', requestId })
    if (error instanceof AppError && error.retryAfterSeconds !== undefined)
      response.setHeader('retry-after', error.retryAfterSeconds)
    if (problem.code === 'internal') {
      ports.log(
        `login endpoint: request ${requestId} failed: ${error instanceof Error ? (error.stack ?? error.message) : 'not an error'}`,
      )
    }
    // what is left of a body that was not read must not hold the connection
    if (!request.complete) response.setHeader('connection', 'close')
    return { status: problem.status, body: problem }
  }

  const server: Server = createServer(
    {
      key: ports.login.keyPem,
      cert: ports.login.certificatePem,
      minVersion: 'TLSv1.3',
      handshakeTimeout: 5000,
      requestTimeout: 10_000,
      headersTimeout: 5000,
      // Node looks every 30 s only: a body that never ends would stand three times as long as these say
      connectionsCheckingInterval: 2000,
      keepAliveTimeout: 60_000,
      maxHeaderSize: 8192,
    },
    answer,
  )
  server.maxConnections = limits.connections
  server.on('connection', (socket) => {
    // embedded guests all come from loopback: a cap per peer would let one lock out all others
    if (ports.mode === 'embedded') return
    const leave = connections.enter(socket.remoteAddress ?? '')
    if (leave === undefined) return void socket.destroy()
    socket.on('close', leave)
  })
  server.on('tlsClientError', (_, socket) => socket.destroy())

  return {
    async listen(at) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(at) ?? []
      server.once('error', reject)
      server.listen({ host: host.replaceAll(/[[\]]/g, ''), port: Number(port) }, resolve)
      try {
        await promise
      } catch (cause) {
        throw new AppError({ code: 'port-in-use', detail: `The login endpoint cannot listen on ${at}.`, cause })
      }
      const address = server.address()
      return typeof address === 'object' && address !== null ? address.port : Number(port)
    },
    async close() {
      closing.abort()
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      server.closeIdleConnections()
      setTimeout(() => server.closeAllConnections(), 500).unref()
      await promise
    },
  }
}

function peerOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? ''
}

function limit(waitSeconds: number | null): void {
  if (waitSeconds === null) return
  throw new AppError({ code: 'too-many-requests', detail: 'This VM asks too often.', retryAfterSeconds: waitSeconds })
}

async function holding<T>(leave: (() => void) | undefined, work: () => Promise<T>): Promise<T> {
  if (leave === undefined) {
    throw new AppError({ code: 'too-many-requests', detail: 'This VM waits for too many answers at once.', retryAfterSeconds: 5 })
  }
  try {
    return await work()
  } finally {
    leave()
  }
}

async function bodyOf<S extends z.ZodType>(request: IncomingMessage, schema: S): Promise<z.output<S>> {
  const tooLarge = () => new AppError({ code: 'body-too-large', detail: 'A guest sends at most 16 KiB.', hint: 'Send less.' })
  if (Number(request.headers['content-length'] ?? 0) > bodyLimit) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyLimit) throw tooLarge()
    chunks.push(chunk)
  }
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new AppError({ code: 'bad-input', detail: 'The body is no JSON.' })
  }
  return parse(schema, value)
}

function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new AppError({
    code: 'bad-input',
    detail: 'Some fields are not as PROTOCOL.md says.',
    fields: parsed.error.issues.map((i) => ({ pointer: i.path.map((p) => `/${String(p)}`).join(''), detail: i.message })),
  })
}
