import { z } from 'zod'
import { pageOf, unixSecondsSchema } from './values.ts'

/** One row of GET /v1/audit: who did what to what, and how it ended. */
export const auditRecordSchema = z.strictObject({
  who: z.string(),
  what: z.string(),
  target: z.string(),
  result: z.string(),
  transactionHash: z.string().nullable(),
  at: unixSecondsSchema,
})
export type AuditView = z.output<typeof auditRecordSchema>
export const auditPageSchema = pageOf(auditRecordSchema)
