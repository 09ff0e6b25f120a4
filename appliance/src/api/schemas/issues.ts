import { z } from 'zod'
import { unixSecondsSchema } from './values.ts'

/** GET /v1/issues: declared issues that stand now. */
export const issueSchema = z.strictObject({
  code: z.string(),
  subject: z.string(),
  severity: z.enum(['low', 'medium', 'high']),
  title: z.string(),
  effect: z.string(),
  remedy: z.string(),
  since: unixSecondsSchema,
})
export type IssueView = z.output<typeof issueSchema>
export const issuesSchema = z.strictObject({ issues: z.array(issueSchema) })
