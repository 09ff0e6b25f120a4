import { z } from 'zod'
import { problemSchema, unixSecondsSchema, vmIdSchema } from './values.ts'

/**
 * GET /v1/vms/{vmId}/console?requestId=… with `Upgrade: websocket`: the serial console under an approved request of the act
 * `console`, asked by this browser (its cookie) or CLI (header `Freehold-Nonce`). Binary frames are the bytes of the console, both
 * ways, at most 16 KiB each from the client. Text frames come from the host only and are one of `consoleMessageSchema`.
 */
export const consoleQuerySchema = z.strictObject({ requestId: z.string().max(64) })

/** Why an open console ended. `closed`: by this side. */
export const consoleEndSchema = z.enum([
  'pass-moved',
  'not-entitled',
  'chain-stale',
  'reinstalled',
  'taken-over',
  'too-long',
  'too-slow',
  'vm-stopped',
  'closed',
])
export type ConsoleEnd = z.output<typeof consoleEndSchema>

export const consoleMessageSchema = z.discriminatedUnion('type', [
  /** Bytes flow from now on. `until`: it ends then at the latest. */
  z.strictObject({ type: z.literal('open'), vmId: vmIdSchema, hostname: z.string(), until: unixSecondsSchema }),
  /** It is over; `text` is one sentence for the person. */
  z.strictObject({ type: z.literal('ended'), code: consoleEndSchema, text: z.string() }),
  /** It was never opened. */
  z.strictObject({ type: z.literal('refused'), problem: problemSchema }),
])
export type ConsoleMessage = z.output<typeof consoleMessageSchema>

/** Largest frame from a client, in bytes. */
export const consoleFrameBytes = 16 * 1024
