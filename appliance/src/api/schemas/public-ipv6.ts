import { z } from 'zod'
import { unixSecondsSchema, vmIdSchema } from './values.ts'

/** GET /v1/vms/{vmId}/addresses: where the VM is reached from the Internet by IPv6 of a broker; the preferred one first. */
export const publicAddressesSchema = z.strictObject({
  vmId: vmIdSchema,
  addresses: z.array(z.strictObject({ address: z.string(), name: z.string().nullable(), preferred: z.boolean() })),
})

/** POST /v1/vms/{vmId}/name (Idempotency-Key): the holder chooses the label. Answers with the addresses. */
export const nameBodySchema = z.strictObject({ label: z.string().min(1).max(255) })

/** GET /v1/network: tunnels of brokers and what stands in their way. For the operator. */
export const networkSchema = z.strictObject({
  mode: z.enum(['broker', 'manual', 'none']),
  prefix: z.string().nullable(),
  tunnels: z.array(
    z.strictObject({
      broker: z.string(),
      prefix: z.string(),
      zone: z.string(),
      state: z.enum(['unproven', 'up', 'silent', 'leaving', 'over']),
      latencyMs: z.number().nullable(),
      until: unixSecondsSchema,
      graceUntil: unixSecondsSchema,
    }),
  ),
  troubles: z.array(z.strictObject({ kind: z.string(), subject: z.string(), detail: z.string() })),
})
export type NetworkView = z.output<typeof networkSchema>
