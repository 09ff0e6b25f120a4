import { z } from 'zod'
import type { VmId } from '../../chain/installation.ts'
import type { ApiServer } from '../app.ts'
import { deskOf } from '../desk.ts'
import { holdingFor } from '../holdings.ts'
import type { ApiPorts } from '../ports.ts'
import { vmMetricsSchema } from '../schemas/operator.ts'
import { vmIdSchema } from '../schemas/values.ts'

/** GET /v1/vms/{vmId}/metrics: the counters of one VM now; the holder's own, the operator's all. */
export function registerVmMetrics(app: ApiServer, ports: ApiPorts): void {
  app.get(
    '/v1/vms/:vmId/metrics',
    {
      config: { access: 'signed-in' },
      schema: { params: z.strictObject({ vmId: vmIdSchema }), response: { 200: vmMetricsSchema } },
    },
    async ({ caller, params: { vmId } }) => {
      holdingFor(caller, vmId, ports)
      return await deskOf(ports).metrics(vmId as VmId)
    },
  )
}
