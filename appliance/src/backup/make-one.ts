import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../errors/app-error.ts'
import { digestOf, filePart, linksOf, smallParts } from './contents.ts'
import type { OpenKeys, SealKeys } from './keys.ts'
import { backupVersion, type Manifest } from './manifest.ts'
import { fullOr, readSealed, writeSealed } from './seal.ts'

/** What one backup is made of. */
export interface MakeJob {
  stateFolder: string
  /** The new file; must not exist. */
  target: string
  about: Pick<Manifest, 'product' | 'createdAt' | 'origin' | 'installations'>
  seal: SealKeys
  open: OpenKeys
  /** Of scrypt; default as `age` takes it. */
  workFactor?: number
}

export interface MadeBackup {
  manifest: Manifest
  bytes: number
  /** Of the sealed file. */
  sha256: string
  /** `digestOf` the secrets and configuration in it. */
  digest: string
}

/** Below the state folder: copies of the database while they are being sealed. */
export const workFolder = 'backup-work'

/**
 * Makes one sealed file and reads it back: resolves only if what was read is what was meant. Throws `storage-full`,
 * `store-damaged`, `backup-unreadable`.
 */
export async function makeOne(job: MakeJob): Promise<MadeBackup> {
  const work = join(job.stateFolder, workFolder)
  await mkdir(work, { recursive: true, mode: 0o700 })
  const copy = join(work, `${randomBytes(8).toString('hex')}.db`)
  try {
    const { schema, vms } = copyDatabase(join(job.stateFolder, 'freehold.db'), copy)
    const parts = [...(await smallParts(job.stateFolder)), await filePart('freehold.db', copy)]
    const manifest: Manifest = {
      format: 'freehold-backup',
      version: backupVersion,
      ...job.about,
      schema,
      vms,
      files: parts.map(({ path, bytes, sha256, mode }) => ({ path, bytes, sha256, mode })),
      links: await linksOf(job.stateFolder),
    }
    await writeSealed(job.target, manifest, parts, job.seal, job.workFactor)
    if (!isDeepStrictEqual(await readSealed(job.target, job.open), manifest)) {
      throw new AppError({ code: 'backup-unreadable', detail: 'Read back, the backup is another than the one that was written.' })
    }
    return { manifest, digest: digestOf(parts), ...(await fileFacts(job.target)) }
  } catch (error) {
    throw fullOr(error)
  } finally {
    await rm(copy, { force: true })
  }
}

/** A consistent copy while writes go on, looked through before it counts. */
function copyDatabase(from: string, to: string): { schema: string; vms: number } {
  const source = new DatabaseSync(from, { readOnly: true, timeout: 5000 })
  try {
    source.prepare('VACUUM INTO ?').run(to)
  } finally {
    source.close()
  }
  const copy = new DatabaseSync(to, { readOnly: true })
  try {
    const [check] = copy.prepare('PRAGMA integrity_check(1)').all()
    if (Object.values(check ?? {})[0] !== 'ok') {
      throw new AppError({ code: 'store-damaged', detail: 'SQLite finds the copy of the database inconsistent.' })
    }
    const newest = copy.prepare('SELECT name FROM schema_migrations ORDER BY name DESC LIMIT 1').get()
    const count = copy.prepare('SELECT count(*) AS n FROM vms').get()
    return { schema: String(newest?.['name'] ?? ''), vms: Number(count?.['n'] ?? 0) }
  } finally {
    copy.close()
  }
}

/** Size and SHA-256 of a file. */
export async function fileFacts(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk)
  return { bytes: (await stat(path)).size, sha256: hash.digest('hex') }
}
