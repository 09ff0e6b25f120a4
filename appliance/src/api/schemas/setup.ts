import { z } from 'zod'

/** POST /v1/setup and /v1/setup/review, on the operator's own socket: the text of an answer file. */
export const setupBodySchema = z.strictObject({ answers: z.string().min(1).max(200_000) })

/** What setup would do; nothing has happened. */
export const reviewSchema = z.strictObject({
  steps: z.array(z.strictObject({ name: z.string(), estimateSeconds: z.number(), done: z.boolean() })),
})

/** POST /v1/rebuild: what is known again, and what was left alone. */
export const rebuiltSchema = z.strictObject({ vms: z.number().int(), unmatched: z.array(z.string()) })
