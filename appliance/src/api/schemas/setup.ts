import { z } from 'zod'

/** POST /v1/setup and /v1/setup/review, on the operator's own socket: the text of an answer file. */
export const setupBodySchema = z.strictObject({ answers: z.string().min(1).max(200_000) })

/** POST /v1/setup: the same, and the steps to go on without. */
export const applyBodySchema = z.strictObject({
  answers: z.string().min(1).max(200_000),
  skip: z.array(z.string().max(40)).max(20).default([]),
})

/** What setup would do; nothing has happened. */
export const reviewSchema = z.strictObject({
  steps: z.array(z.strictObject({ name: z.string(), estimateSeconds: z.number(), done: z.boolean() })),
})

/** POST /v1/rebuild: what is known again, and what was left alone. */
export const rebuiltSchema = z.strictObject({ vms: z.number().int(), unmatched: z.array(z.string()) })

/** GET and POST (another one) /v1/setup/code, for the machine's own screen; null once the host is set up. */
export const setupCodeSchema = z.strictObject({
  code: z.strictObject({ text: z.string(), left: z.number().int(), voided: z.number().int() }).nullable(),
  /** A change of the machine's network that is being tried; `address` is null where it comes by DHCP. */
  trying: z.strictObject({ address: z.string().nullable(), secondsLeft: z.number().int() }).nullable(),
})
