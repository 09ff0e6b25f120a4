import { z } from 'zod'
import { addressSchema, unixSecondsSchema, vmIdSchema } from './values.ts'

const actSchema = z.string().regex(/^(shell|session|console|reinstall|rollback|certificate:SHA256:[A-Za-z0-9+/]{43})$/)

/** POST /v1/login-requests: a browser or CLI asks for an act. `shell` is asked by guests on their own endpoint only. */
export const newLoginRequestSchema = z.strictObject({
  act: actSchema.refine((act) => act !== 'shell', 'a shell is asked for by the VM itself'),
  vmId: vmIdSchema.optional(),
  /** Nonce of a CLI that will poll; browsers leave it out. */
  nonce: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
})

/** One line of printable ASCII: it may stand in a signed text and at a terminal. */
const lineSchema = z.string().regex(/^[\x20-\x7e]{0,300}$/)

/** What the page shows of a request: GET /v1/login-requests/{code}. Opening it changes nothing. */
export const loginRequestSchema = z.strictObject({
  requestId: lineSchema,
  /** With dash. */
  code: lineSchema,
  act: actSchema,
  state: z.enum(['waiting', 'needs-reply', 'approved', 'denied', 'expired', 'used']),
  vmId: vmIdSchema.nullable(),
  hostname: lineSchema.nullable(),
  user: lineSchema.nullable(),
  /** The address that asked, as the asker's side saw it. */
  source: lineSchema,
  /** This browser's address as the host sees it. */
  browserAddress: lineSchema,
  /** True if approval from here reaches the asker by itself; else a reply code will be shown. */
  direct: z.boolean(),
  origin: lineSchema,
  chainId: z.number().int(),
  contract: addressSchema.nullable(),
  tokenId: lineSchema.nullable(),
  generation: z.number().int().nullable(),
  hostKey: lineSchema.nullable(),
  nonce: lineSchema,
  /** ISO text as it stands in the signed text. */
  issuedAt: lineSchema,
  expiresAt: lineSchema,
  /** The host's time, for the countdown. */
  now: unixSecondsSchema,
})
export type LoginRequestView = z.output<typeof loginRequestSchema>

/** POST /v1/login-requests/{code}/approval. The host rebuilds the text; none is sent. */
export const approvalBodySchema = z.strictObject({
  address: addressSchema,
  /** 0x and hex; any length is read, 65 bytes for key wallets. */
  signature: z.string().regex(/^0x([0-9a-fA-F]{2}){0,10000}$/),
})
/** `replyCode` is set when the asker must send it back. */
export const approvalSchema = z.strictObject({
  state: z.enum(['approved', 'needs-reply']),
  replyCode: lineSchema.nullable(),
})
export type Approval = z.output<typeof approvalSchema>

/** GET /v1/login-requests/{code}/outcome with the header `Freehold-Nonce` (CLI) or the asking browser's cookie. */
export const outcomeSchema = z.strictObject({
  state: z.enum(['waiting', 'needs-reply', 'approved', 'denied', 'expired', 'used']),
  reason: z.strictObject({ code: lineSchema, text: lineSchema }).nullable(),
  /** How often a reply code may still be sent; null unless one is asked for. */
  triesLeft: z.number().int().nullable(),
})
export const replyBodySchema = z.strictObject({ reply: z.string().min(1).max(20) })

/** POST /v1/sessions: trades an approved `session` request for the cookie `__Host-freehold` (CLI: a bearer token). */
export const newSessionSchema = z.strictObject({
  requestId: z.string(),
  nonce: z.string().optional(),
  bearer: z.boolean().default(false),
})
export const sessionSchema = z.strictObject({
  sessionId: z.string(),
  address: addressSchema,
  createdAt: unixSecondsSchema,
  expiresAt: unixSecondsSchema,
  /** Where from, for the list of open logins. */
  source: z.string(),
  current: z.boolean(),
  /** Only in the answer to a CLI that asked for it. */
  token: z.string().nullable(),
})
export type SessionView = z.output<typeof sessionSchema>
