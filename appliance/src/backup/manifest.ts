import { z } from 'zod'

/** Version of what lies in a backup. A reader refuses a higher one. */
export const backupVersion = 1
/** First entry of every archive. */
export const manifestName = 'manifest.json'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
/** Only names that this product itself writes: no path leads out of the folder it is unpacked in. */
const archivePath = z
  .string()
  .max(300)
  .regex(/^(freehold\.yaml|freehold\.db|(secrets|tls)(\/[A-Za-z0-9][A-Za-z0-9._-]*)+)$/)

/** What lies in a backup: the first entry of the archive, by which all others are judged. Times in Unix seconds. */
export const manifestSchema = z.strictObject({
  format: z.literal('freehold-backup'),
  version: z.literal(backupVersion),
  /** Version of Freehold that made it. */
  product: z.string().max(40),
  createdAt: z.number().int(),
  origin: z.string().max(300),
  /** The contracts that the host serves; the first sells. */
  installations: z
    .array(
      z.strictObject({
        installation: z.string().regex(/^[0-9a-f]{12}$/),
        chainId: z.number().int(),
        contract: z.string().regex(/^0x[0-9a-fA-F]{40}$/),
      }),
    )
    .max(100),
  /** The newest migration of the database. */
  schema: z.string().max(100),
  /** VMs that its database knows. */
  vms: z.number().int(),
  files: z
    .array(
      z.strictObject({
        path: archivePath,
        bytes: z.number().int().min(0),
        sha256,
        mode: z.union([z.literal(0o600), z.literal(0o640)]),
      }),
    )
    .max(2000),
  /** Which certificate is in use. */
  links: z.array(z.strictObject({ path: z.literal('tls/site'), target: z.string().regex(/^issued-[0-9A-F]{16}$/) })).max(1),
})

export type Manifest = z.output<typeof manifestSchema>

/** Of any version: enough to say that it is newer than this program. */
export const anyManifestSchema = z.looseObject({ format: z.literal('freehold-backup'), version: z.number().int() })
