import { z } from 'zod'
import { scopes } from './keys/api-keys.ts'

/** What freeholdd and freehold-wasmd say to each other, on a socket that only they may open. Times in Unix seconds. */

const gas = z.string().regex(/^\d{1,30}$/)
const wallet = z.string().regex(/^0x[0-9a-f]{40}$/)

/** `PUT /host/v1/plans`. `plans` null: the newest block is not known, so nothing is. */
export const planTableSchema = z.strictObject({
  plans: z
    .array(z.strictObject({ wallet, id: z.string().max(80), gasPerDay: gas, until: z.number().int() }))
    .max(1_000_000)
    .nullable(),
})

/** What wallets may ask for; the others are the operator's. */
export const walletScopes = ['execute', 'verify'] as const satisfies readonly (typeof scopes)[number][]

export const newHostKeySchema = z.strictObject({
  wallet: wallet.nullable(),
  label: z.string().max(80),
  scopes: z.array(z.enum(scopes)).min(1).max(4),
  expiresAt: z.number().int().positive().nullable(),
})

export const shownKeySchema = z.strictObject({
  id: z.string(),
  scopes: z.array(z.enum(scopes)),
  wallet: z.string().nullable(),
  label: z.string(),
  createdAt: z.number().int(),
  expiresAt: z.number().int().nullable(),
  revokedAt: z.number().int().nullable(),
  lastUsedAt: z.number().int().nullable(),
})
export const madeKeySchema = shownKeySchema.extend({ text: z.string() })
export const keyListSchema = z.strictObject({ keys: z.array(shownKeySchema) })

/** Whose keys a call is about; left out: the operator's view of all. */
export const ownerQuerySchema = z.strictObject({ wallet: wallet.optional() })

export const usageQuerySchema = z.strictObject({ wallet, payers: z.string().max(4000).default('') })
export const usageSchema = z.strictObject({
  day: z.number().int(),
  /** By subscription, today (UTC). */
  used: z.array(z.strictObject({ payer: z.string(), gas, runs: z.number().int() })),
  freeGasPerDay: gas,
})

export const receiptsQuerySchema = z.strictObject({ wallet, before: z.coerce.number().int().min(0).optional() })
export const receiptsSchema = z.strictObject({
  receipts: z.array(
    z.strictObject({
      index: z.number().int(),
      requestId: z.string(),
      jws: z.string(),
      committedAt: z.number().int(),
      expiresAt: z.number().int(),
    }),
  ),
})

export const receiptCheckSchema = z.strictObject({ receipt: z.string().min(1).max(20_000) })
export const receiptCheckedSchema = z.strictObject({
  /** The signature is this host's. */
  signed: z.boolean(),
  /** It stands in the log at the place that it names. */
  logged: z.boolean(),
  receipt: z.record(z.string(), z.unknown()).nullable(),
  proof: z
    .strictObject({ index: z.number().int(), size: z.number().int(), hashes: z.array(z.string()), root: z.string() })
    .nullable(),
  /** Signed text of the head of the log that the proof leads to. */
  head: z.string().nullable(),
  hostKey: z.record(z.string(), z.unknown()),
})

export const overviewSchema = z.strictObject({
  health: z.looseObject({
    status: z.string(),
    capacity: z.strictObject({ max: z.number(), in_flight: z.number(), queued: z.number() }),
    memory_budget: z.strictObject({ bytes: z.number(), admitted_bytes: z.number() }),
    uptime_seconds: z.number(),
    key_expires_in_seconds: z.number(),
  }),
  outcomes: z.array(z.strictObject({ code: z.string(), runs: z.number().int(), gas })),
  refused: z.array(z.strictObject({ code: z.string(), count: z.number().int() })),
  executors: z.strictObject({ pids: z.number().int(), wanted: z.number().int(), restarts: z.number().int() }),
  log: z.strictObject({ size: z.number().int(), kept: z.number().int() }),
  hostKey: z.record(z.string(), z.unknown()),
})
