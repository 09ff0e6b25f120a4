import { z } from 'zod'
import { addressSchema, amountSchema, unixSecondsSchema } from './values.ts'

/** PUT /v1/rates/{token}: what one whole token is worth. For the operator. */
export const rateBodySchema = z.strictObject({
  /** ISO 4217. */
  currency: z.string().regex(/^[A-Z]{3}$/),
  /** Decimal text: more than zero. */
  rate: z
    .string()
    .regex(/^[0-9]{1,12}(\.[0-9]{1,12})?$/)
    .refine((text) => /[1-9]/.test(text), 'more than zero'),
})
/** A rate with the day that the operator entered it on. */
export const rateSchema = rateBodySchema.extend({ token: addressSchema, setAt: unixSecondsSchema })
export type FiatRate = z.output<typeof rateSchema>
export const ratesSchema = z.strictObject({ rates: z.array(rateSchema) })

/** GET /v1/status: public; what a page or CLI needs before anything else. */
export const statusSchema = z.strictObject({
  version: z.string(),
  mode: z.enum(['embedded', 'installed']),
  origin: z.string(),
  /** The host's time; pages count down from it, not from the browser's clock. */
  now: unixSecondsSchema,
  storefront: z.enum(['open', 'closed']),
  /** Why it is closed, for people. */
  closedBecause: z.string().nullable(),
  chain: z.strictObject({
    chainId: z.number().int(),
    name: z.string(),
    /** For the wallet's "add network". Served on the host's own origin in embedded mode. */
    rpcUrl: z.string(),
    confirmations: z.number().int(),
    latest: z.strictObject({ number: z.number().int(), timestamp: unixSecondsSchema }).nullable(),
    stale: z.boolean(),
  }),
  /** The first sells; older ones run out. */
  contracts: z.array(z.strictObject({ installation: z.string(), address: addressSchema })),
  hypervisor: z.strictObject({ name: z.string(), acceleration: z.string(), isolation: z.boolean() }).nullable(),
  /** WebAssembly programs are run here as well: /v1/wasm. */
  wasm: z.boolean().default(false),
  /** Codes and titles of open issues that concern everybody (such as `no-isolation`). */
  notices: z.array(z.strictObject({ code: z.string(), title: z.string() })),
  /** What tokens are worth by the operator's word; pages show it as "about", with its date. */
  rates: z.array(rateSchema).default([]),
})
export type Status = z.output<typeof statusSchema>

export const tokenPriceSchema = z.strictObject({
  token: addressSchema,
  symbol: z.string(),
  decimals: z.number().int(),
  pricePerDay: amountSchema,
  /** True if the token understands EIP-2612 permits. */
  permit: z.boolean(),
})

/** One row of GET /v1/plans: public. */
export const planSchema = z.strictObject({
  planId: z.number().int(),
  installation: z.string(),
  contract: addressSchema,
  name: z.string(),
  kind: z.enum(['vm', 'wasm']),
  vcpus: z.number().int(),
  memoryMiB: z.number().int(),
  diskGiB: z.number().int(),
  /** Of kind wasm: gas from midnight to midnight UTC. */
  gasPerDay: amountSchema.default('0'),
  graceSeconds: z.number().int(),
  activationDeadlineSeconds: z.number().int(),
  minSeconds: z.number().int(),
  maxSeconds: z.number().int(),
  capacity: z.number().int(),
  available: z.number().int(),
  open: z.boolean(),
  prices: z.array(tokenPriceSchema),
})
export type PlanView = z.output<typeof planSchema>
export const plansSchema = z.strictObject({ plans: z.array(planSchema), buyingPaused: z.boolean() })

/** GET /v1/quotes?planId=&token=&seconds=: public. */
export const quoteQuerySchema = z.strictObject({
  planId: z.coerce.number().int().min(0),
  token: addressSchema,
  seconds: z.coerce.number().int().positive(),
})
export const quoteSchema = z.strictObject({
  planId: z.number().int(),
  token: addressSchema,
  symbol: z.string(),
  decimals: z.number().int(),
  seconds: z.number().int(),
  price: amountSchema,
  contract: addressSchema,
})
export type Quote = z.output<typeof quoteSchema>
