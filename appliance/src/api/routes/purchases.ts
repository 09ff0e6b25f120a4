import { z } from 'zod'
import type { ApiServer } from '../app.ts'
import type { ApiPorts } from '../ports.ts'
import { hashSchema } from '../schemas/values.ts'
import { purchaseSchema } from '../schemas/vms.ts'
import { purchaseOf } from '../views/purchase-view.ts'

/** GET /v1/purchases/{transactionHash}: where a purchase stands. Public: only what the chain shows to anybody. */
export function registerPurchases(app: ApiServer, ports: ApiPorts): void {
  app.get(
    '/v1/purchases/:transactionHash',
    {
      config: { access: 'public' },
      schema: { params: z.strictObject({ transactionHash: hashSchema }), response: { 200: purchaseSchema } },
    },
    ({ params }) => purchaseOf(params.transactionHash, ports),
  )
}
