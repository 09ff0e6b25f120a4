import { z } from 'zod'

const seconds = z.number().int()

/** One sealed backup; `found` null: this host has not opened it yet. Times in Unix seconds. */
export const backupSchema = z.strictObject({
  name: z.string(),
  createdAt: seconds,
  bytes: z.number().int(),
  readAt: seconds.nullable(),
  found: z.enum(['good', 'damaged']).nullable(),
  vms: z.number().int().nullable(),
  files: z.number().int().nullable(),
})

/** GET /v1/backups. */
export const backupsSchema = z.strictObject({
  /** Null: nobody is named who could open one, and none are made. */
  sealedTo: z.enum(['recovery-key', 'passphrase']).nullable(),
  folder: z.string(),
  /** The folder lies on this machine's own disk, and no program brings backups elsewhere. */
  staysHere: z.boolean(),
  /** Five fields of cron, in UTC. */
  schedule: z.string(),
  keep: z.number().int(),
  busy: z.boolean(),
  backups: z.array(backupSchema),
  failure: z.strictObject({ at: seconds, code: z.string(), detail: z.string(), hint: z.string() }).nullable(),
  copied: z.strictObject({ at: seconds, name: z.string(), ok: z.boolean() }).nullable(),
})

export type BackupShown = z.output<typeof backupSchema>
export type BackupsShown = z.output<typeof backupsSchema>
