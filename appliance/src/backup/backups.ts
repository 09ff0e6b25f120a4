import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Clock, UnixSeconds } from '../clock/clock.ts'
import type { BackupAnswer } from '../config/schema.ts'
import { AppError, findAppError } from '../errors/app-error.ts'
import type { SettingRepository } from '../store/settings.ts'
import { digestOf, smallParts } from './contents.ts'
import { copyOut } from './copy-out.ts'
import { dueBecause } from './due.ts'
import { backupName, listBackups, markFolder, mustBeMarked, parseName, partOf, prune, removeParts, settle } from './folder.ts'
import { readJournal, writeJournal, type BackupJournal, type BackupRow } from './journal.ts'
import { hostKeys, isSealed } from './keys.ts'
import { workFolder, type MadeBackup, type MakeJob } from './make-one.ts'
import type { Manifest } from './manifest.ts'
import { makeInThread, readInThread, type ReadJob } from './thread.ts'

export interface BackupPorts {
  stateFolder: string
  config: BackupAnswer
  /** What the host is: stands in each manifest. The first installation names the files. */
  about: Pick<Manifest, 'product' | 'origin' | 'installations'>
  settings: Pick<SettingRepository, 'get' | 'put'>
  clock: Clock
  log(line: string, cause?: unknown): void
  /** Default: a thread for each. */
  work?: {
    make(job: MakeJob, signal: AbortSignal): Promise<MadeBackup>
    read(job: ReadJob, signal: AbortSignal): Promise<Manifest>
  }
}

/** One backup as it is shown. `found`: null if this host has not opened it yet. Times in Unix seconds. */
export interface BackupView {
  name: string
  createdAt: UnixSeconds
  bytes: number
  readAt: UnixSeconds | null
  found: 'good' | 'damaged' | null
  /** VMs that its database knows. */
  vms: number | null
  files: number | null
}

/** How the backups of this host stand. */
export interface BackupsState {
  /** To whom they are sealed; null: to nobody, and none are made. */
  sealedTo: 'recovery-key' | 'passphrase' | null
  folder: string
  /** The folder is on this machine's own state: it is lost together with it. */
  staysHere: boolean
  schedule: string
  keep: number
  busy: boolean
  backups: BackupView[]
  /** Why the folder cannot be read, or why the last backup failed. */
  failure: { at: UnixSeconds; code: string; detail: string; hint: string } | null
  copied: BackupJournal['copied']
}

/** What health looks at. */
export interface BackupHealth {
  sealed: boolean
  lastGoodAt: UnixSeconds | null
  maxAgeSeconds: number
  failure: string | null
  /** Since when backups could have been made: the daemon's start. */
  since: UnixSeconds
}

/** The sealed backups of this host (design §6). */
export interface Backups {
  state(): Promise<BackupsState>
  health(): Promise<BackupHealth>
  /**
   * Makes one now and reads it back; a second caller gets the one that is being made. Throws `backup-not-set-up`,
   * `backup-folder-missing`, `storage-full`, `backup-unreadable`, `no-permission`.
   */
  make(): Promise<BackupView>
  /** Opens one again. Throws `not-found`; a damaged one is told in the answer, and remembered. */
  verify(name: string): Promise<BackupView>
  /** The sealed file itself. Throws `not-found`. */
  download(name: string): Promise<{ bytes: number; stream: Readable }>
  /** Makes one if it is due. Never rejects. */
  tick(): Promise<void>
  /** Looks once a minute from now on. */
  start(): void
  /** Something changed: look now. */
  wake(): void
  stop(): Promise<void>
}

const everyMs = 60_000

export function createBackups(ports: BackupPorts): Backups {
  const { stateFolder, config, settings, clock, log } = ports
  const { make: makeFile, read: readFile } = ports.work ?? {
    make: (job, signal) => makeInThread(job, signal),
    read: (job, signal) => readInThread(job, signal),
  }
  const folder = config.folder ?? join(stateFolder, 'backups')
  const installation = ports.about.installations[0]?.installation ?? '000000000000'
  const secretsFolder = join(stateFolder, 'secrets')
  const stopping = new AbortController()
  const since = clock.now()
  let making: Promise<BackupView> | undefined
  let loop: Promise<void> | undefined
  let woken = Promise.withResolvers<void>()
  let turn: Promise<unknown> = Promise.resolve()

  /** One change of the journal at a time. */
  async function note(change: (journal: BackupJournal) => BackupJournal): Promise<void> {
    const next = turn.then(async () => await writeJournal(settings, change(await readJournal(settings))))
    turn = next.catch(() => undefined)
    await next
  }

  /** The first time a folder is made a place for backups; from then on its marker must be there. */
  async function ready(): Promise<void> {
    if ((await readJournal(settings)).folder === folder) return await mustBeMarked(folder)
    await markFolder(folder, config.folder === undefined)
    await note((journal) => ({ ...journal, folder }))
  }

  async function freeName(): Promise<string> {
    for (let again = 0; ; again += 1) {
      const name = backupName(installation, clock.now(), again)
      if ((await stat(join(folder, name)).catch(() => undefined)) === undefined) return name
    }
  }

  async function makeNow(): Promise<BackupView> {
    const { seal, open: openKeys } = await hostKeys(config, secretsFolder)
    await ready()
    await removeParts(folder, installation)
    await rm(join(stateFolder, workFolder), { recursive: true, force: true })
    const name = await freeName()
    const target = join(folder, partOf(name))
    try {
      const about = { ...ports.about, createdAt: clock.now() }
      const made = await makeFile({ stateFolder, target, about, seal, open: openKeys }, stopping.signal)
      // pulled out meanwhile, a drive leaves a bare folder behind: what was written there is no backup
      await mustBeMarked(folder)
      await settle(folder, name)
      const { bytes, sha256, digest, manifest } = made
      const row: BackupRow = {
        name,
        bytes,
        sha256,
        digest,
        vms: manifest.vms,
        files: manifest.files.length,
        readAt: clock.now(),
        found: 'good',
      }
      const gone = new Set(await prune(folder, installation, config.keep, name))
      await note((journal) => ({
        ...journal,
        rows: [row, ...journal.rows.filter((one) => one.name !== name && !gone.has(one.name))].slice(0, 400),
        failure: null,
      }))
      log(`backup ${name}: ${bytes} bytes, read back`)
      void sendAway(name)
      return viewOf({ name, createdAt: about.createdAt, bytes }, row)
    } catch (error) {
      await rm(target, { force: true }).catch(() => undefined)
      throw error
    }
  }

  async function sendAway(name: string): Promise<void> {
    if (config.copy === undefined) return
    const ok = await copyOut(config.copy, join(folder, name), stopping.signal).then(
      () => true,
      (error: unknown) => {
        log('a backup was not brought elsewhere', error)
        return false
      },
    )
    await note((journal) => ({ ...journal, copied: { at: clock.now(), name, ok } })).catch(() => undefined)
  }

  function begin(): Promise<BackupView> {
    making ??= makeNow()
      .catch(async (error: unknown) => {
        const { code, detail, hint } =
          findAppError(error) ?? new AppError({ code: 'internal', detail: 'The backup could not be made.', cause: error })
        if (code !== 'backup-not-set-up' && !stopping.signal.aborted) {
          await note((journal) => ({ ...journal, failure: { at: clock.now(), code, detail, hint } })).catch(() => undefined)
        }
        throw error
      })
      .finally(() => (making = undefined))
    return making
  }

  /** Rows of files that are there, whole by their size. */
  async function rowsThere(): Promise<{ found: Awaited<ReturnType<typeof listBackups>>; rows: Map<string, BackupRow> }> {
    const journal = await readJournal(settings)
    const found = await listBackups(folder, installation)
    const sizes = new Map(found.map(({ name, bytes }) => [name, bytes]))
    return { found, rows: new Map(journal.rows.filter((row) => sizes.get(row.name) === row.bytes).map((row) => [row.name, row])) }
  }

  async function fileOf(name: string): Promise<string> {
    const known = parseName(name)
    if (known?.installation === installation) {
      const path = join(folder, name)
      if ((await stat(path).catch(() => undefined))?.isFile() === true) return path
    }
    throw new AppError({ code: 'not-found', detail: 'There is no such backup in the folder.' })
  }

  const lastGood = (rows: ReadonlyMap<string, BackupRow>, found: readonly { name: string; createdAt: number }[]) => {
    const newest = found.find(({ name }) => rows.get(name)?.found === 'good')
    const row = newest && rows.get(newest.name)
    return newest && row && { createdAt: newest.createdAt, digest: row.digest }
  }

  async function tick(): Promise<void> {
    if (!isSealed(config) || making !== undefined || stopping.signal.aborted) return
    try {
      const { failure } = await readJournal(settings)
      const { found, rows } = await rowsThere().catch(() => ({ found: [], rows: new Map<string, BackupRow>() }))
      const facts = { lastGood: lastGood(rows, found), failedAt: failure?.at, digest: digestOf(await smallParts(stateFolder)) }
      if (dueBecause(facts, config.schedule, clock.now()) !== undefined) await begin()
    } catch (error) {
      if (!stopping.signal.aborted) log('no backup could be made', error)
    }
  }

  async function forever(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers()
      await tick()
      const early = new AbortController()
      await Promise.race([woken.promise, clock.wait(everyMs, AbortSignal.any([stopping.signal, early.signal]))])
      early.abort()
    }
  }

  return {
    async state() {
      const journal = await readJournal(settings)
      let { failure } = journal
      let backups: BackupView[] = []
      try {
        const { found, rows } = await rowsThere()
        backups = found.map((one) => viewOf(one, rows.get(one.name)))
      } catch (error) {
        const known = findAppError(error)
        if (known === undefined) throw error
        // a folder that was never used is empty, and not missing
        if (journal.folder === folder) failure ??= { at: clock.now(), code: known.code, detail: known.detail, hint: known.hint }
      }
      return {
        sealedTo: config.recipient !== undefined ? 'recovery-key' : config.passphraseFile !== undefined ? 'passphrase' : null,
        folder,
        staysHere: config.copy === undefined && (await sameDisk(folder, stateFolder)),
        schedule: config.schedule,
        keep: config.keep,
        busy: making !== undefined,
        backups,
        failure,
        copied: journal.copied,
      }
    },
    async health() {
      const journal = await readJournal(settings)
      const there = await rowsThere().catch(() => undefined)
      const good = there && lastGood(there.rows, there.found)
      const notCopied = journal.copied?.ok === false ? 'The last backup was not brought elsewhere: backup.copy failed.' : null
      return {
        sealed: isSealed(config),
        lastGoodAt: good?.createdAt ?? null,
        maxAgeSeconds: config.maxAgeHours * 3600,
        failure: journal.failure?.detail ?? notCopied,
        since,
      }
    },
    make: begin,
    async verify(name) {
      const path = await fileOf(name)
      const { open: openKeys } = await hostKeys(config, secretsFolder)
      const row = (await rowsThere()).rows.get(name)
      const { size: bytes } = await stat(path)
      const createdAt = parseName(name)?.createdAt ?? 0
      let manifest: Manifest | undefined
      try {
        manifest = await readFile({ path, open: openKeys }, stopping.signal)
      } catch (error) {
        // sealed to a former key is no damage: it is told, and nothing is remembered
        if (findAppError(error)?.code !== 'backup-unreadable') throw error
        log(`backup ${name} cannot be read`, error)
      }
      const next: BackupRow = {
        ...(row ?? { name, bytes, sha256: '', digest: '', vms: 0, files: 0 }),
        readAt: clock.now(),
        found: manifest === undefined ? 'damaged' : 'good',
        ...(manifest !== undefined && { vms: manifest.vms, files: manifest.files.length, digest: digestOf(manifest.files) }),
      }
      await note((journal) => ({ ...journal, rows: [next, ...journal.rows.filter((one) => one.name !== name)] }))
      return viewOf({ name, createdAt, bytes }, next)
    },
    async download(name) {
      const path = await fileOf(name)
      const file = await open(path, 'r')
      const { size } = await file.stat()
      return { bytes: size, stream: file.createReadStream() }
    },
    tick,
    start: () => void (loop ??= forever()),
    wake: () => woken.resolve(),
    async stop() {
      stopping.abort()
      await loop
      await making?.catch(() => undefined)
    },
  }
}

function viewOf(
  { name, createdAt, bytes }: { name: string; createdAt: number; bytes: number },
  row: BackupRow | undefined,
): BackupView {
  return {
    name,
    createdAt,
    bytes,
    readAt: row?.readAt ?? null,
    found: row?.found ?? null,
    vms: row?.vms ?? null,
    files: row?.files ?? null,
  }
}

async function sameDisk(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)))
  return one === undefined || other === undefined || one.dev === other.dev
}
