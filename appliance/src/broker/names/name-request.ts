import canonicalize from 'canonicalize'
import { z } from 'zod'
import { requestSchema } from '../requests/request.ts'

const envelope = requestSchema.pick({
  v: true,
  broker: true,
  chainId: true,
  contract: true,
  sequence: true,
  issuedAt: true,
  expiresAt: true,
})

/** What a host asks about names. */
export const nameRequestSchema = z.discriminatedUnion('verb', [
  envelope.extend({ verb: z.literal('name'), label: z.string().min(1).max(255), address: z.string().max(60) }).strict(),
  envelope.extend({ verb: z.literal('unname'), label: z.string().min(1).max(255) }).strict(),
  envelope.extend({ verb: z.literal('prove'), label: z.string().min(1).max(255), value: z.string().max(255) }).strict(),
])
export type NameRequest = z.infer<typeof nameRequestSchema>

/** What is signed: one line that says what it is, then the request as canonical JSON (RFC 8785). */
export function nameRequestText(request: NameRequest): string {
  return `Freehold IPv6 broker name\n${canonicalize(request)}`
}
