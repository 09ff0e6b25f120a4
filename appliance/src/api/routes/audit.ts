import { Readable } from 'node:stream'
import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { ApiServer } from '../app.ts'
import { holdingFor } from '../holdings.ts'
import { isOperator } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import { auditPageSchema } from '../schemas/audit.ts'
import { pageQuerySchema } from '../schemas/values.ts'

const query = pageQuerySchema.extend({ target: z.string().max(100).optional() }).strict()

/** GET /v1/audit: the operator's all, newest first; a holder's of an own VM with `?target=`. GET /v1/audit/export: all of it. */
export function registerAudit(app: ApiServer, ports: ApiPorts): void {
  app.get(
    '/v1/audit',
    { config: { access: 'signed-in' }, schema: { querystring: query, response: { 200: auditPageSchema } } },
    async ({ caller, query: { target, cursor, limit } }) => {
      if (!isOperator(caller, ports)) {
        if (target === undefined)
          throw new AppError({
            code: 'not-allowed',
            detail: 'The whole audit trail is for the operator.',
            hint: 'Name one of your VMs with ?target=.',
          })
        holdingFor(caller, target, ports)
      }
      return await ports.store.audit.list({ cursor, limit, ...(target !== undefined && { target }) })
    },
  )

  app.get(
    '/v1/audit/export',
    { config: { access: 'operator' }, schema: { description: 'The whole audit trail as JSON lines, newest first.' } },
    (_, reply) =>
      reply
        .header('content-type', 'application/jsonl; charset=utf-8')
        .header('content-disposition', 'attachment; filename="freehold-audit.jsonl"')
        .send(Readable.from(lines())),
  )

  /** Page by page: a trail of years is never held in memory as a whole. */
  async function* lines(): AsyncGenerator<string> {
    let cursor: string | null | undefined
    do {
      const page = await ports.store.audit.list({ cursor, limit: 200 })
      yield page.items.map((record) => `${JSON.stringify(record)}\n`).join('')
      cursor = page.nextCursor
    } while (cursor !== null)
  }
}
