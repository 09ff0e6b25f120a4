import { z } from 'zod'

const severity = z.enum(['low', 'medium', 'high'])
const channelId = z.string().regex(/^[a-z0-9-]{1,24}$/, 'a name is small letters, digits and dashes')
const secret = z
  .string()
  .max(500)
  .regex(/^[\x20-\x7e]*$/)
  .nullable()
  .optional()
const mailAddress = z.email().max(254)
const common = { channelId, minimumSeverity: severity, enabled: z.boolean() }
const httpUrl = z.url({ protocol: /^https?$/, error: 'an address begins with https:// or http://' }).max(500)
const mail = {
  kind: z.literal('mail'),
  host: z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/, 'a name or address of a mail server'),
  port: z.number().int().min(1).max(65_535),
  /** `none` sends in the clear: for a server on this host only. */
  security: z.enum(['tls', 'starttls', 'none']),
  user: z.string().max(254),
  from: mailAddress,
  to: mailAddress,
}

/** One place that alerts go to, as it is sent. A secret that is absent stays as it was; null takes it away. */
export const alertChannelInputSchema = z.discriminatedUnion('kind', [
  z.strictObject({ ...common, ...mail, secret }),
  z.strictObject({ ...common, kind: z.literal('webhook'), url: httpUrl, secret }),
  z.strictObject({ ...common, kind: z.literal('ntfy'), url: httpUrl, secret }),
])
export type AlertChannelInput = z.output<typeof alertChannelInputSchema>

const delivery = z
  .strictObject({
    at: z.number().int().min(0),
    ok: z.boolean(),
    /** What the other side answered, or why nobody did. */
    reply: z.string(),
  })
  .nullable()
const shown = { hasSecret: z.boolean(), last: delivery }

/** One place that alerts go to, as it is shown: a secret is never told again. */
export const alertChannelSchema = z.discriminatedUnion('kind', [
  z.strictObject({ ...common, ...mail, ...shown }),
  z.strictObject({ ...common, kind: z.literal('webhook'), url: z.string(), ...shown }),
  z.strictObject({ ...common, kind: z.literal('ntfy'), url: z.string(), ...shown }),
])
export type AlertChannelView = z.output<typeof alertChannelSchema>
