import { getAddress, isAddress } from 'ethers'
import canonicalize from 'canonicalize'
import { parsePublicKey } from 'wireguard-ts/key'
import { WireGuardError } from 'wireguard-ts/errors'
import { z } from 'zod'
import { AppError, type FieldError } from '../../errors/app-error.ts'

/** What a host may ask. */
export const verbs = ['request', 'renew', 'release', 'status'] as const
export type Verb = (typeof verbs)[number]

const key = z.string().superRefine((text, context) => {
  try {
    parsePublicKey(text)
  } catch (error) {
    if (!(error instanceof WireGuardError)) throw error
    context.addIssue({ code: 'custom', message: `${error.message}. ${error.hint}` })
  }
})
const address = z
  .string()
  .refine((text) => isAddress(text) && getAddress(text) === text, 'not an address with its checksum (EIP-55)')
const seconds = z.int().min(1_600_000_000).max(9_999_999_999)

/** One request, the same over HTTP and inside a question of the registry. Unknown fields are refused. */
export const requestSchema = z.strictObject({
  v: z.literal(1),
  verb: z.enum(verbs),
  /** Which broker is meant, by its WireGuard key: a request for one is nothing to another. */
  broker: key,
  chainId: z.int().positive(),
  /** The installation's `Subscriptions` contract. */
  contract: address,
  wireguardKey: key,
  /** 64 or 56 (on-link 120 or 112); absent: the broker's usual one. */
  prefixLength: z.int().min(1).max(128).optional(),
  /** A prefix held before, such as after the broker lost its store. */
  prefix: z.string().max(43).optional(),
  /** Whether the answer shall bring a preshared key. */
  presharedKey: z.boolean().optional(),
  /** Higher than in every request before. */
  sequence: z.int().nonnegative(),
  issuedAt: seconds,
  expiresAt: seconds,
  /** P-256 point that the answer on chain is encrypted to, base64 of 65 bytes; over HTTP absent. */
  answerKey: z.base64().length(88).optional(),
})

export type BrokerRequest = z.infer<typeof requestSchema>

export const signedRequestSchema = z.strictObject({
  request: requestSchema,
  /** `personal_sign` of `requestText` by the provisioner or owner of the contract. */
  signature: z.string().regex(/^0x[0-9a-f]{130}$/i, 'not a signature of 65 bytes in hex'),
})

/** What is signed: one line that says what it is, then the request as canonical JSON (RFC 8785). */
export function requestText(request: BrokerRequest): string {
  return `Freehold IPv6 broker request\n${canonicalize(request)}`
}

/** What a broker signs of an answer (`personal_sign` by its agent): the request it answers, and the answer. */
export function answerText(request: BrokerRequest, answer: unknown): string {
  return `Freehold IPv6 broker answer\n${canonicalize({ request, answer })}`
}

/** Parses at the border. Throws AppError `bad-input` with a pointer for each wrong field. */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const fields: FieldError[] = parsed.error.issues.map((issue) => ({
    pointer: `/${issue.path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`,
    detail: issue.message,
  }))
  const [first] = fields
  throw new AppError({ code: 'bad-input', detail: `${first?.pointer ?? '/'}: ${first?.detail ?? 'not valid'}.`, fields })
}

/** How long a request may be valid, and how far clocks may differ, seconds. */
export const requestSeconds = 600

/** Refuses a request of another time, naming both clocks (`broker-clock-off`). */
export function checkTimes(request: Pick<BrokerRequest, 'issuedAt' | 'expiresAt'>, now: number): void {
  const told = (at: number): string => new Date(at * 1000).toISOString()
  const off = (detail: string): AppError => new AppError({ code: 'broker-clock-off', detail })
  if (request.issuedAt > now + requestSeconds) {
    throw off(`The request was made at ${told(request.issuedAt)}, here it is ${told(now)}.`)
  }
  if (request.expiresAt <= now) throw off(`The request ended at ${told(request.expiresAt)}, here it is ${told(now)}.`)
  if (request.expiresAt <= request.issuedAt || request.expiresAt - request.issuedAt > requestSeconds) {
    throw off(`A request is valid for at most ${requestSeconds} s; this one says ${request.expiresAt - request.issuedAt} s.`)
  }
}
