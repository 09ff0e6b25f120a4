import { z } from 'zod'
import type { SettingRepository } from '../store/settings.ts'

const verdict = z.enum(['good', 'damaged'])

/** What is remembered of one backup. Times in Unix seconds. */
const rowSchema = z.object({
  name: z.string(),
  bytes: z.number().int(),
  /** Of the sealed file. */
  sha256: z.string(),
  digest: z.string(),
  vms: z.number().int(),
  files: z.number().int(),
  /** When it was last opened and compared, and what was found. */
  readAt: z.number().int(),
  found: verdict,
})

const journalSchema = z.object({
  /** The folder that was made a place for backups: there, a missing marker means that its drive is not mounted. */
  folder: z.string().nullable(),
  rows: z.array(rowSchema),
  /** The last try, where it failed. */
  failure: z.object({ at: z.number().int(), code: z.string(), detail: z.string(), hint: z.string() }).nullable(),
  /** What became of the last copy that left the host. */
  copied: z.object({ at: z.number().int(), name: z.string(), ok: z.boolean() }).nullable(),
})

export type BackupRow = z.output<typeof rowSchema>
export type BackupJournal = z.output<typeof journalSchema>

const key = 'backups'
const empty: BackupJournal = { folder: null, rows: [], failure: null, copied: null }

/** Reads what is remembered; nothing is, on a host that has just been set up or restored. */
export async function readJournal(settings: Pick<SettingRepository, 'get'>): Promise<BackupJournal> {
  return (await settings.get(key, journalSchema)) ?? empty
}

/** Writes it whole. */
export async function writeJournal(settings: Pick<SettingRepository, 'put'>, journal: BackupJournal): Promise<void> {
  await settings.put(key, journal)
}
