import { z } from 'zod'

/** Values that several resources share. Everything here is free of `node:`, so pages may import it. */
export const addressSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .meta({ description: 'EVM address' })
/** Amounts travel as decimal text: JSON numbers lose wei. */
export const amountSchema = z
  .string()
  .regex(/^[0-9]{1,78}$/)
  .meta({ description: 'whole number of the smallest unit' })
export const unixSecondsSchema = z.number().int().min(0).meta({ description: 'seconds since 1970-01-01 UTC' })
export const vmIdSchema = z
  .string()
  .regex(/^[0-9a-f]{12}-(0|[1-9][0-9]{0,77})$/)
  .meta({ description: '<installation>-<tokenId>' })
export const tokenIdSchema = z.string().regex(/^(0|[1-9][0-9]{0,77})$/)
export const hashSchema = z.string().regex(/^0x[0-9a-f]{64}$/)

/** A page of a list; `nextCursor` is null on the last one. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() })
}

export const pageQuerySchema = z.strictObject({
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

/** RFC 9457, as every error is sent (`application/problem+json`). */
export const problemSchema = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string(),
  hint: z.string(),
  retryable: z.boolean(),
  requestId: z.string(),
  errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string(), line: z.number().optional() })).optional(),
})
