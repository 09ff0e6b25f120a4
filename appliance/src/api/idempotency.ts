import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../errors/app-error.ts'
import { nameOf } from './identity.ts'
import type { ApiPorts } from './ports.ts'

const open = Symbol('idempotent request')
type Carrier = FastifyRequest & { [open]?: { key: string; who: string } }

/**
 * `Idempotency-Key` on every POST that acts: the same key with the same body gets the same answer for 24 h, also after a
 * restart; failures before anything changed are forgotten. Sign-in's own POSTs (`key`) are idempotent by what they name and
 * keep nothing: their answers hold tokens.
 */
export function registerIdempotency(app: FastifyInstance, ports: Pick<ApiPorts, 'store'>): void {
  app.addHook('preHandler', async (request: Carrier, reply) => {
    const { acts } = request.routeOptions.config
    if (acts === undefined) return
    const key = request.headers['idempotency-key']
    if (typeof key !== 'string' || !/^[\x21-\x7e]{8,128}$/.test(key)) {
      throw new AppError({
        code: 'bad-input',
        detail: 'The header Idempotency-Key is missing or not 8 to 128 printable characters.',
        hint: 'Send a fresh random one with each new request, and the same one when you repeat it.',
      })
    }
    if (acts === 'key') return
    const who = nameOf(request.caller)
    const bodyHash = createHash('sha256')
      .update(JSON.stringify(request.body ?? null))
      .digest('hex')
    const verdict = await ports.store.idempotency.begin({ key, who, route: `${request.method} ${request.url}`, bodyHash })
    switch (verdict.kind) {
      case 'fresh':
        request[open] = { key, who }
        return
      case 'running':
        throw new AppError({ code: 'task-running', detail: 'The same request is being worked on.', hint: 'Wait for its answer.' })
      case 'mismatch':
        throw new AppError({ code: 'idempotency-mismatch', detail: 'The key belongs to a request with another body or path.' })
      case 'answered':
        return reply
          .code(verdict.status)
          .header('idempotency-replayed', 'true')
          .header('content-type', 'application/json')
          .send(JSON.stringify(verdict.response))
    }
  })

  app.addHook('onSend', async (request: Carrier, reply, payload) => {
    const mine = request[open]
    if (mine === undefined) return payload
    delete request[open]
    if (reply.statusCode < 300 && typeof payload === 'string') {
      await ports.store.idempotency.finish(mine, reply.statusCode, payload === '' ? null : JSON.parse(payload))
    } else await ports.store.idempotency.abandon(mine)
    return payload
  })
}
