import { z } from 'zod'
import type { ApiServer } from '../app.ts'
import { deskOf } from '../desk.ts'
import { nameOf } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import { alertsBodySchema, alertsSchema, alertTestSchema } from '../schemas/alerts.ts'

const params = z.strictObject({ channelId: z.string().max(24) })

/** GET and PUT /v1/alerts, POST /v1/alerts/{channelId}/test: where issues are told, and what a test is answered. For the operator. */
export function registerAlerts(app: ApiServer, ports: ApiPorts): void {
  app.get('/v1/alerts', { config: { access: 'operator' }, schema: { response: { 200: alertsSchema } } }, () => ({
    channels: [...deskOf(ports).alerts.list()],
  }))

  app.put(
    '/v1/alerts',
    { config: { access: 'operator' }, schema: { body: alertsBodySchema, response: { 200: alertsSchema } } },
    async ({ caller, body }) => {
      const channels = await deskOf(ports).alerts.replace(body.channels)
      await ports.store.audit.append({
        who: nameOf(caller),
        what: 'alerts',
        target: 'host',
        result: channels.map((c) => `${c.kind} ${c.channelId}`).join(', ') || 'none',
        transactionHash: null,
      })
      return { channels: [...channels] }
    },
  )

  app.post(
    '/v1/alerts/:channelId/test',
    {
      config: { access: 'operator', acts: 'key', rate: { limit: 20, windowSeconds: 300 } },
      schema: { params, body: z.strictObject({}), response: { 200: alertTestSchema } },
    },
    async ({ caller, params: { channelId } }) => {
      const delivery = await deskOf(ports).alerts.test(channelId)
      await ports.store.audit.append({
        who: nameOf(caller),
        what: 'alert test',
        target: channelId,
        result: delivery.ok ? 'taken' : 'not taken',
        transactionHash: null,
      })
      return delivery
    },
  )
}
