import { z } from 'zod'
import { restoredSchema, type Restored } from '../../backup/restored.ts'

/** Bytes of a file that go into one piece: with base64 and the rest, a body stays below its limit. */
export const pieceBytes = 180_000

/** POST /v1/setup/restore/pieces. `offset` 0 begins anew. */
export const pieceBodySchema = z.strictObject({
  offset: z
    .number()
    .int()
    .min(0)
    .max(2 ** 40),
  data: z.base64().min(4).max(245_760),
})
/** Bytes that are here. */
export const piecesSchema = z.strictObject({ received: z.number().int() })

/** POST /v1/setup/restore: the recovery key or passphrase; it is kept nowhere. */
export const restoreBodySchema = z.strictObject({ key: z.string().min(1).max(4096) })

/** GET /v1/setup/restore. */
export const restoreStateSchema = z.strictObject({ received: z.number().int(), restored: restoredSchema.nullable() })
export { restoredSchema }
export type RestoredShown = Restored
