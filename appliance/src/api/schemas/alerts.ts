import { z } from 'zod'
import { alertChannelInputSchema, alertChannelSchema } from '../../health/alerts/channel-schema.ts'

/** GET /v1/alerts, and what PUT answers. */
export const alertsSchema = z.strictObject({ channels: z.array(alertChannelSchema) })
/** PUT /v1/alerts: these channels and no others. */
export const alertsBodySchema = z.strictObject({ channels: z.array(alertChannelInputSchema).max(10) })
/** POST /v1/alerts/{channelId}/test: what the other side really answered. */
export const alertTestSchema = z.strictObject({ ok: z.boolean(), reply: z.string() })
export type AlertTest = z.output<typeof alertTestSchema>
