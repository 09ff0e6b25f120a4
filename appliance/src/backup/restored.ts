import { z } from 'zod'

/** Setting of a restored database, as the journal of setup has it: `setup ` and this. */
export const restoredKey = 'restored'
/** The same as a whole key. */
export const restoredSetting = `setup ${restoredKey}`

/** What was restored, as setup and pages are told. Times in Unix seconds. */
export const restoredSchema = z.strictObject({
  createdAt: z.number().int(),
  restoredAt: z.number().int(),
  product: z.string(),
  origin: z.string(),
  vms: z.number().int(),
  installations: z.array(z.strictObject({ installation: z.string(), chainId: z.number().int(), contract: z.string() })),
})
export type Restored = z.output<typeof restoredSchema>
