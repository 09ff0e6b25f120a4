import { z } from 'zod'
import type { ApiServer } from '../app.ts'
import { holdingFor, pageOfHoldings, visibleTo, type Holding } from '../holdings.ts'
import type { ApiPorts } from '../ports.ts'
import { pageQuerySchema, vmIdSchema } from '../schemas/values.ts'
import { subscriptionSchema, subscriptionsPageSchema } from '../schemas/vms.ts'
import { subscriptionView } from '../views/subscription-view.ts'

export const listQuerySchema = pageQuerySchema.extend({ all: z.stringbool().default(false) }).strict()

/** GET /v1/subscriptions: the holder's own; the operator's all with `?all=true`. */
export function registerSubscriptions(app: ApiServer, ports: ApiPorts): void {
  const view = ({ subscription, contract }: Holding) =>
    subscriptionView(subscription, contract.latest, ports.token(subscription.token))
  app.get(
    '/v1/subscriptions',
    { config: { access: 'signed-in' }, schema: { querystring: listQuerySchema, response: { 200: subscriptionsPageSchema } } },
    ({ caller, query: { cursor, limit, all } }) => {
      const { rows, nextCursor } = pageOfHoldings(visibleTo(caller, all, ports), cursor, limit)
      return { items: rows.map(view), nextCursor }
    },
  )
  app.get(
    '/v1/subscriptions/:vmId',
    {
      config: { access: 'signed-in' },
      schema: { params: z.strictObject({ vmId: vmIdSchema }), response: { 200: subscriptionSchema } },
    },
    ({ caller, params }) => view(holdingFor(caller, params.vmId, ports)),
  )
}
