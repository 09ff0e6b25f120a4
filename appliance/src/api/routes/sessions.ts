import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import { sessionSeconds } from '../../sign-in/sessions.ts'
import type { StoredSession } from '../../store/sessions.ts'
import type { ApiServer } from '../app.ts'
import { askedBy } from '../asker.ts'
import { cookieLine, sessionCookie } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import { newSessionSchema, sessionSchema, type SessionView } from '../schemas/sign-in.ts'

const listSchema = z.strictObject({ sessions: z.array(sessionSchema) })

function viewOf(session: StoredSession, current: boolean, token: string | null = null): SessionView {
  const { publicId, address, createdAt, expiresAt, source } = session
  return { sessionId: publicId, address, createdAt, expiresAt, source, current, token }
}

/** POST, GET, DELETE /v1/sessions: trades an approved `session` request for a cookie or a CLI's token; lists and ends logins. */
export function registerSessions(app: ApiServer, ports: ApiPorts): void {
  app.post(
    '/v1/sessions',
    {
      config: { access: 'public', acts: 'key', rate: { limit: 60, windowSeconds: 300 } },
      schema: { body: newSessionSchema, response: { 201: sessionSchema } },
    },
    async (request, reply) => {
      const { requestId, nonce, bearer } = request.body
      const fits = askedBy(request, nonce)
      const { signer } = await ports.signIn.consume(requestId, (asked) => asked.act === 'session' && fits(asked))
      const { token, session } = await ports.sessions.create(signer, request.clientAddress)
      if (!bearer) void reply.header('set-cookie', cookieLine(sessionCookie, token, sessionSeconds))
      return reply.code(201).send(viewOf(session, true, bearer ? token : null))
    },
  )

  app.get('/v1/sessions', { config: { access: 'signed-in' }, schema: { response: { 200: listSchema } } }, async ({ caller }) => {
    if (caller.kind !== 'wallet') return { sessions: [] }
    const open = await ports.sessions.list(caller.address)
    return { sessions: open.map((s) => viewOf(s, s.publicId === caller.session.publicId)) }
  })

  app.delete(
    '/v1/sessions/:sessionId',
    {
      config: { access: 'signed-in' },
      schema: { params: z.strictObject({ sessionId: z.string().max(64) }), response: { 204: z.null() } },
    },
    async ({ caller, params: { sessionId } }, reply) => {
      if (caller.kind !== 'wallet' || !(await ports.sessions.revoke(caller.address, sessionId))) {
        throw new AppError({ code: 'not-found', detail: 'There is no such login of yours.' })
      }
      if (sessionId === caller.session.publicId) void reply.header('set-cookie', cookieLine(sessionCookie, '', 0))
      return reply.code(204).send(null)
    },
  )
}
