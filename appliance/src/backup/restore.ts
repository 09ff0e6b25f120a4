import { readdirSync } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../clock/clock.ts'
import { parseConfig } from '../config/load.ts'
import { AppError } from '../errors/app-error.ts'
import { migrationsFolder } from '../store/migrate.ts'
import { openKeysOf } from './keys.ts'
import type { Manifest } from './manifest.ts'
import { mendDatabase } from './mend-database.ts'
import { restoredSetting, type Restored } from './restored.ts'
import { fullOr } from './seal.ts'
import { restoredFile, stagedFolder, syncFolder } from './staged.ts'
import { readInThread, type ReadJob } from './thread.ts'

export interface RestorePorts {
  stateFolder: string
  clock: Clock
  /** Rows of the present database that outlive it, as JSON: browsers that typed the machine's code. */
  carryOver(): Promise<Readonly<Record<string, string>>>
  /** Throws `not-in-this-state` where nothing may be restored: a host that is set up, or a setup that runs. */
  mayRestore(): Promise<void>
  /** Default: a thread. */
  read?(job: ReadJob): Promise<Manifest>
}

/** Restoring on a machine that is not set up. */
export interface Restore {
  /** Bytes received so far. */
  received(): Promise<number>
  /** Takes the next piece; `offset` 0 begins anew. Throws `bad-input` for a gap, `storage-full`. */
  piece(offset: number, data: Buffer): Promise<number>
  /**
   * Opens what was received and lays all of it down beside what is in use; the daemon takes it over at its next start. Throws
   * `backup-unreadable`, `backup-key-wrong`, `backup-newer`, `storage-full`, `bad-input`: then nothing was changed.
   */
  stage(key: string): Promise<Restored>
}

/** Longer than any database of this product. */
const longest = 4 * 2 ** 30

export function createRestore(ports: RestorePorts): Restore {
  const work = join(ports.stateFolder, 'restore')
  const upload = join(work, 'upload.age')
  const unpacked = join(work, 'unpacked')
  const read = ports.read ?? ((job) => readInThread(job))
  let turn: Promise<unknown> = Promise.resolve()

  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const next = turn.then(async () => {
      await ports.mayRestore()
      return await task()
    })
    turn = next.catch(() => undefined)
    return next
  }

  const received = async (): Promise<number> => (await stat(upload).catch(() => undefined))?.size ?? 0

  return {
    received,
    piece: (offset, data) =>
      inTurn(async () => {
        await mkdir(work, { recursive: true, mode: 0o700 })
        if (offset === 0) await rm(upload, { force: true })
        const size = await received()
        if (offset !== size || offset + data.length > longest) {
          throw new AppError({
            code: 'bad-input',
            detail: `Bytes from ${offset} on were sent, and ${size} are here.`,
            hint: 'Send the file anew.',
            fields: [{ pointer: '/offset', detail: `the next piece begins at ${size}` }],
          })
        }
        const file = await open(upload, 'a', 0o600)
        try {
          await file.writeFile(data)
        } catch (error) {
          throw fullOr(error)
        } finally {
          await file.close()
        }
        return offset + data.length
      }),
    stage: (key) =>
      inTurn(async () => {
        const keys = openKeysOf(key)
        await rm(unpacked, { recursive: true, force: true })
        await mkdir(unpacked, { recursive: true, mode: 0o700 })
        try {
          const manifest = await read({ path: upload, open: keys, unpackTo: unpacked })
          const restored = await makeReady(unpacked, manifest, ports)
          await writeFile(join(unpacked, restoredFile), JSON.stringify(manifest), { mode: 0o600, flush: true })
          for (const folder of ['secrets', 'tls', '.']) await syncFolder(join(unpacked, folder))
          await ports.mayRestore()
          // one rename: from here on it is taken over, before it nothing has happened
          await rename(unpacked, join(ports.stateFolder, stagedFolder))
          await syncFolder(ports.stateFolder)
          return restored
        } catch (error) {
          throw fullOr(error)
        } finally {
          await rm(unpacked, { recursive: true, force: true })
          if ((await stat(join(ports.stateFolder, stagedFolder)).catch(() => undefined)) !== undefined) {
            await rm(work, { recursive: true, force: true })
          }
        }
      }),
  }
}

async function makeReady(folder: string, manifest: Manifest, ports: RestorePorts): Promise<Restored> {
  if (!readdirSync(migrationsFolder).includes(manifest.schema)) {
    throw new AppError({
      code: 'backup-newer',
      detail: `It was made by Freehold ${manifest.product}, whose database this one does not know.`,
    })
  }
  // a configuration that this version cannot read is found out now, not at the next start
  parseConfig(await readFile(join(folder, 'freehold.yaml'), 'utf8'), 'The configuration in the backup')
  const { createdAt, product, origin, vms, installations } = manifest
  const restored: Restored = { createdAt, restoredAt: ports.clock.now(), product, origin, vms, installations }
  mendDatabase(join(folder, 'freehold.db'), {
    now: restored.restoredAt,
    put: { ...(await ports.carryOver()), [restoredSetting]: JSON.stringify(restored) },
    result: `backup of ${new Date(createdAt * 1000).toISOString()}`,
  })
  return restored
}
