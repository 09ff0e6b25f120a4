import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors/app-error.ts'
import { hashToken } from '../sign-in/sessions.ts'
import type { StoredSession } from '../store/sessions.ts'
import type { ApiPorts } from './ports.ts'

export const sessionCookie = '__Host-freehold'
/** Names the browser that asked for a sign-in; proves nothing else. */
export const askerCookie = '__Host-freehold-asker'

/** Of a browser that typed the code of a machine that is not set up yet. */
export const setupCookie = '__Host-freehold-setup'

/** Whose request it is. `host` stands behind the operator's own socket on the machine. */
export type Caller = { kind: 'nobody' } | { kind: 'wallet'; address: string; session: StoredSession } | { kind: 'host' }

/** Who a route is for; the route snapshot of the tests shows it for each (I3). */
export type Access = 'public' | 'signed-in' | 'operator' | 'host' | 'setup'

/** Cookies of a request by name. Source: RFC 6265 §5.4. */
export function cookiesOf(request: Pick<FastifyRequest, 'headers'>): Map<string, string> {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('=', 2))
  return new Map(pairs.map(([name = '', value = '']) => [name, value]))
}

/** A cookie that no other site, port-less name or script can read or set: `__Host-`, Secure, HttpOnly, SameSite=Strict. */
export function cookieLine(name: string, value: string, maxAgeSeconds: number): string {
  return `${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; Secure; HttpOnly; SameSite=Strict`
}

/** Hash of the asker's cookie, or null if the browser has none. */
export function askerHash(request: FastifyRequest): string | null {
  const value = cookiesOf(request).get(askerCookie)
  return value === undefined || !/^[A-Za-z0-9_-]{43}$/.test(value) ? null : hashToken(value)
}

/** Who calls, by bearer token or cookie. A token that is not good (any more) is an error where a right is needed, else nobody. */
export async function callerOf(request: FastifyRequest, ports: Pick<ApiPorts, 'sessions'>): Promise<Caller> {
  const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1]
  const token = bearer ?? cookiesOf(request).get(sessionCookie)
  const session = token === undefined ? undefined : await ports.sessions.find(token)
  return session === undefined ? { kind: 'nobody' } : { kind: 'wallet', address: session.address, session }
}

/** The operator is whoever holds pass 0 of the contract that sells, at both depths. */
export function isOperator(caller: Caller, ports: Pick<ApiPorts, 'facts'>): boolean {
  if (caller.kind === 'host') return true
  if (caller.kind === 'nobody') return false
  const [first] = ports.facts().contracts
  return first !== undefined && [first.giving, first.latest].every((s) => s.operator.toLowerCase() === caller.address)
}

/** Throws `not-signed-in` or `not-allowed` unless the caller may use a route of this access. */
export function authorize(caller: Caller, access: Access, ports: Pick<ApiPorts, 'facts'>): void {
  if (access === 'public' || caller.kind === 'host') return
  // the wizard's routes are asked at the door of a host that is not set up, and nowhere else
  const elsewhere = access === 'host' || access === 'setup'
  if (caller.kind === 'nobody' || elsewhere) {
    if (elsewhere) throw new AppError({ code: 'not-found', detail: 'There is no such resource.' })
    throw new AppError({ code: 'not-signed-in', detail: 'This needs a sign-in, and none came with the request.' })
  }
  if (access === 'operator' && !isOperator(caller, ports)) {
    throw new AppError({ code: 'not-allowed', detail: `${caller.address} does not hold the operator's pass.` })
  }
}

/** The address of a caller that a route of access `signed-in` may rely on; `operator` for the host itself. */
export function nameOf(caller: Caller): string {
  return caller.kind === 'wallet' ? caller.address : caller.kind === 'host' ? 'operator' : 'nobody'
}
