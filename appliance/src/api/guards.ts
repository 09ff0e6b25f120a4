import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../errors/app-error.ts'
import { createAllowance } from '../sign-in/allowance.ts'
import { networkOf } from '../sign-in/direct.ts'
import { askerCookie, authorize, callerOf, sessionCookie, setupCookie, cookiesOf, type Access, type Caller } from './identity.ts'
import type { ApiPorts } from './ports.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call it. A route without this does not come up (I3). */
    access?: Access
    /** Needs an `Idempotency-Key`. `kept`: its answer is kept and given again. */
    acts?: 'key' | 'kept'
    /** Persisted limit per network and route. */
    rate?: { limit: number; windowSeconds: number }
  }
  interface FastifyRequest {
    caller: Caller
    clientAddress: string
  }
}

export interface GuardOptions {
  /**
   * `public`: behind Caddy, for the configured origin only. `host`: the operator's own socket; the file's mode is the check.
   * `setup`: behind Caddy before there is an origin, for the machine's own addresses; needs `setup`.
   */
  door: 'public' | 'host' | 'setup'
  setup?: SetupDoor
}

/** Who may enter while the host is not set up. */
export interface SetupDoor {
  /** Whether a `Host` header names this machine: one of its addresses or names. */
  isOwnName(host: string): boolean
  /** Whether the request carries a session that began with the code on the machine's screen. */
  admits(request: FastifyRequest): Promise<boolean>
}

const unsafe = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
/** In memory; what may be guessed has a persisted limit of its own. */
const readRate = { burst: 1000, perSecond: 200 }

/** Checks that stand before every handler, in this order: name, origin, caller, right, rate. */
export function registerGuards(app: FastifyInstance, ports: ApiPorts, { door, setup }: GuardOptions): void {
  const origin = new URL(ports.host.origin)
  const reads = createAllowance(ports.clock, readRate)
  app.decorateRequest('caller')
  app.decorateRequest('clientAddress', '')

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.header('cache-control', 'no-store')
    request.clientAddress = addressOf(request)
    if (door === 'host') {
      request.caller = { kind: 'host' }
      return
    }
    if (setup !== undefined) return await enterSetup(request, setup)
    if (request.headers.host?.toLowerCase() !== origin.host) {
      throw new AppError({ code: 'misdirected', detail: 'The request names another host.', hint: `Open ${origin.origin}.` })
    }
    checkOrigin(request, origin.origin)
    request.caller = await callerOf(request, ports)
    const { access = 'host', rate } = request.routeOptions.config
    authorize(request.caller, access, ports)
    if (rate !== undefined) await count(request, rate)
    else if (ports.host.mode === 'installed') refuse(reads.take(networkOf(request.clientAddress) ?? request.clientAddress))
  })

  /** Nothing but the wizard is open here, and only to whoever holds the machine's code. */
  async function enterSetup(request: FastifyRequest, { isOwnName, admits }: SetupDoor): Promise<void> {
    const host = request.headers.host?.toLowerCase() ?? ''
    if (!isOwnName(host)) {
      throw new AppError({
        code: 'misdirected',
        detail: 'The request names another host.',
        hint: 'Open the address on the screen of the machine.',
      })
    }
    checkOrigin(request, `${host.startsWith('localhost') ? 'http' : 'https'}://${host}`, [setupCookie])
    request.caller = { kind: 'nobody' }
    const { access = 'host', rate } = request.routeOptions.config
    if (access !== 'setup') authorize(request.caller, access, ports)
    else if (!(await admits(request))) {
      throw new AppError({
        code: 'not-signed-in',
        detail: 'This needs the code from the screen of the machine.',
        hint: 'Type the code that the screen shows.',
      })
    }
    if (rate !== undefined) await count(request, rate)
    else refuse(reads.take(networkOf(request.clientAddress) ?? request.clientAddress))
  }

  async function count(request: FastifyRequest, rate: { limit: number; windowSeconds: number }): Promise<void> {
    const place = networkOf(request.clientAddress) ?? request.clientAddress
    // all of embedded mode's people share the loopback
    const limit = ports.host.mode === 'embedded' && place === 'loopback' ? rate.limit * 10 : rate.limit
    refuse(await ports.store.rateLimits.hit(`api ${request.method} ${request.routeOptions.url} ${place}`, { ...rate, limit }))
  }
}

function refuse(waitSeconds: number | null): void {
  if (waitSeconds === null) return
  throw new AppError({ code: 'too-many-requests', detail: `Wait ${waitSeconds} s.`, retryAfterSeconds: waitSeconds })
}

/** Of a unix socket's peer, which is Caddy, the last hop that it names; else the peer itself. */
function addressOf(request: FastifyRequest): string {
  const peer = request.raw.socket.remoteAddress
  if (peer !== undefined) return peer
  const header = request.headers['x-forwarded-for']
  const last = (Array.isArray(header) ? header.at(-1) : header)?.split(',').at(-1)?.trim()
  return last === undefined || last === '' ? 'unknown' : last
}

/** A browser names where an unsafe request comes from; who brings our cookie without it is no browser we know. */
function checkOrigin(request: FastifyRequest, own: string, more: readonly string[] = []): void {
  // any page may open a WebSocket to anywhere, and cookies go with it
  const upgrade = request.headers.upgrade !== undefined
  if (!unsafe.has(request.method) && !upgrade) return
  const { origin } = request.headers
  if (origin === own) return
  const cookies = cookiesOf(request)
  const ours = [sessionCookie, ...more].some((name) => cookies.has(name)) || (upgrade && cookies.has(askerCookie))
  if (origin === undefined && !ours && request.headers['sec-fetch-site'] === undefined) return
  throw new AppError({ code: 'wrong-origin', detail: 'The request names no page of this host as its origin.' })
}
