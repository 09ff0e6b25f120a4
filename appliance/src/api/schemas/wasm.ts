import { z } from 'zod'
import { amountSchema, unixSecondsSchema } from './values.ts'

const scope = z.enum(['execute', 'verify', 'metrics', 'admin'])

/** An API key as lists show it: never its text. */
export const wasmKeySchema = z.strictObject({
  id: z.string(),
  scopes: z.array(scope),
  /** Whose it is; null: the operator's. */
  wallet: z.string().nullable(),
  label: z.string(),
  createdAt: unixSecondsSchema,
  expiresAt: unixSecondsSchema.nullable(),
  /** Ends it; may lie ahead, where it was rotated. */
  revokedAt: unixSecondsSchema.nullable(),
  lastUsedAt: unixSecondsSchema.nullable(),
})
export type WasmKey = z.output<typeof wasmKeySchema>

/** The one answer that holds a key's text. */
export const newWasmKeySchema = wasmKeySchema.extend({ text: z.string() })
export type NewWasmKey = z.output<typeof newWasmKeySchema>
export const wasmKeysSchema = z.strictObject({ keys: z.array(wasmKeySchema) })

/** POST /v1/wasm/keys. */
export const wantedWasmKeySchema = z.strictObject({
  label: z.string().trim().min(1).max(80),
  scopes: z
    .array(z.enum(['execute', 'verify']))
    .min(1)
    .max(2)
    .default(['execute', 'verify']),
  /** Seconds from now; absent: until it is revoked. */
  expiresInSeconds: z.number().int().min(60).max(315_360_000).optional(),
})

/** GET /v1/wasm: what the signed-in wallet has. */
export const wasmSchema = z.strictObject({
  /** Where calls go. */
  url: z.string(),
  now: unixSecondsSchema,
  /** From the first second of this day on (UTC) the gas is whole again. */
  nextDayAt: unixSecondsSchema,
  subscriptions: z.array(
    z.strictObject({
      vmId: z.string(),
      planName: z.string(),
      gasPerDay: amountSchema,
      usedToday: amountSchema,
      runsToday: z.number().int(),
      state: z.enum(['pending', 'active', 'grace', 'grace-over']),
      /** End of what the state says; null while pending. */
      until: unixSecondsSchema.nullable(),
    }),
  ),
  /** Gas a day without a subscription, for development; 0 elsewhere. */
  freeGasPerDay: amountSchema,
  freeUsedToday: amountSchema,
  keys: z.array(wasmKeySchema),
})
export type WasmView = z.output<typeof wasmSchema>

/** GET /v1/wasm/receipts: the newest first. */
export const wasmReceiptSchema = z.strictObject({
  index: z.number().int(),
  requestId: z.string(),
  jws: z.string(),
  committedAt: unixSecondsSchema,
  expiresAt: unixSecondsSchema,
})
export const wasmReceiptsSchema = z.strictObject({ items: z.array(wasmReceiptSchema), nextCursor: z.string().nullable() })

/** POST /v1/wasm/receipt-checks: what the host says of a receipt; whoever has it checks signature and proof himself. */
export const wasmReceiptCheckSchema = z.strictObject({
  signed: z.boolean(),
  logged: z.boolean(),
  receipt: z.record(z.string(), z.unknown()).nullable(),
  proof: z
    .strictObject({ index: z.number().int(), size: z.number().int(), hashes: z.array(z.string()), root: z.string() })
    .nullable(),
  /** Signed text of the head of the log that the proof leads to. */
  head: z.string().nullable(),
  hostKey: z.record(z.string(), z.unknown()),
})
export type WasmReceiptCheck = z.output<typeof wasmReceiptCheckSchema>

/** GET /v1/wasm/operator. */
export const wasmOperatorSchema = z.strictObject({
  url: z.string(),
  status: z.string(),
  capacity: z.strictObject({ max: z.number(), inFlight: z.number(), queued: z.number() }),
  memory: z.strictObject({ bytes: z.number(), admittedBytes: z.number() }),
  executors: z.strictObject({ alive: z.number().int(), wanted: z.number().int(), restarts: z.number().int() }),
  uptimeSeconds: z.number(),
  keyExpiresInSeconds: z.number(),
  receipts: z.strictObject({ total: z.number().int(), kept: z.number().int() }),
  /** How today's runs ended: `OK` or an error code. */
  outcomes: z.array(z.strictObject({ code: z.string(), runs: z.number().int(), gas: amountSchema })),
  /** What was refused before it ran, since the start. */
  refused: z.array(z.strictObject({ code: z.string(), count: z.number().int() })),
  subscriptions: z.number().int(),
  keys: z.array(wasmKeySchema),
})
export type WasmOperatorView = z.output<typeof wasmOperatorSchema>
