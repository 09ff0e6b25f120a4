import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { UnixSeconds } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { fullOr } from './seal.ts'

/** In a folder that backups go to. It is missing where the drive is not mounted, and then nothing is written. */
export const markerName = '.freehold-backups'

const namePattern = /^freehold-([0-9a-f]{12})-(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z(?:-\d{1,3})?\.tar\.gz\.age$/

/** A backup that lies in the folder. */
export interface FoundBackup {
  name: string
  createdAt: UnixSeconds
  bytes: number
}

/** The name of a backup: whose it is and of when, so that several hosts may share one folder. */
export function backupName(installation: string, at: UnixSeconds, again = 0): string {
  const time = new Date(at * 1000).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  return `freehold-${installation}-${time}${again === 0 ? '' : `-${again}`}.tar.gz.age`
}

/** Whose and of when, or undefined for what is no backup of ours: such files are never touched. */
export function parseName(name: string): { installation: string; createdAt: UnixSeconds } | undefined {
  const match = namePattern.exec(name)
  if (match === null) return undefined
  const [, installation = '', year, month, day, hour, minute, second] = match
  const createdAt = Math.floor(Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) / 1000)
  return Number.isNaN(createdAt) ? undefined : { installation, createdAt }
}

/** Where a backup is written until it has been read back. */
export const partOf = (name: string): string => `.${name}.part`

/**
 * Makes a folder a place for backups, once. Throws `backup-folder-missing` if there is no such folder (it is made only for
 * `make`, below the state folder), `no-permission`, `storage-full`.
 */
export async function markFolder(folder: string, make: boolean): Promise<void> {
  if (make) await mkdir(folder, { recursive: true, mode: 0o700 })
  if (!(await isFolder(folder))) throw missing(folder)
  try {
    await writeFile(join(folder, markerName), 'Sealed backups of Freehold go here.\n', { flag: 'a', mode: 0o600, flush: true })
  } catch (cause) {
    const known = fullOr(cause)
    if (known instanceof AppError) throw known
    throw notOurs(folder, cause)
  }
}

/** Throws `backup-folder-missing`, also where the folder is there and its drive is not. */
export async function mustBeMarked(folder: string): Promise<void> {
  const marker = await stat(join(folder, markerName)).catch(() => undefined)
  if (marker?.isFile() !== true) throw missing(folder)
}

/** Backups of this installation, the newest first. Throws `backup-folder-missing`. */
export async function listBackups(folder: string, installation: string): Promise<FoundBackup[]> {
  await mustBeMarked(folder)
  const found = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      const known = parseName(name)
      if (known?.installation !== installation) return []
      const status = await stat(join(folder, name)).catch(() => undefined)
      return status?.isFile() === true ? [{ name, createdAt: known.createdAt, bytes: status.size }] : []
    }),
  )
  return found.flat().toSorted((a, b) => b.createdAt - a.createdAt || (a.name < b.name ? 1 : -1))
}

/** Halves that a kill left: of this installation alone, and only parts. */
export async function removeParts(folder: string, installation: string): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [])) {
    const whole = /^\.(.+)\.part$/.exec(entry)?.[1]
    if (whole !== undefined && parseName(whole)?.installation === installation) await rm(join(folder, entry), { force: true })
  }
}

/** Gives a part its name, on disk when this resolves: from then on it counts. */
export async function settle(folder: string, name: string): Promise<void> {
  await rename(join(folder, partOf(name)), join(folder, name))
  const directory = await open(folder)
  // some network file systems sync no folders; the file itself is on disk
  await directory.sync().catch(() => undefined)
  await directory.close()
}

/** Removes the oldest beyond `keep`; never `newest`, whatever the clocks said. Resolves with their names. */
export async function prune(folder: string, installation: string, keep: number, newest: string): Promise<string[]> {
  const others = (await listBackups(folder, installation)).filter(({ name }) => name !== newest)
  const gone = others.slice(Math.max(0, keep - 1)).map(({ name }) => name)
  for (const name of gone) await rm(join(folder, name), { force: true })
  return gone
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  )
}

function missing(folder: string): AppError {
  return new AppError({ code: 'backup-folder-missing', detail: `${folder} is not there, or its drive is not mounted.` })
}

function notOurs(folder: string, cause: unknown): AppError {
  return new AppError({
    code: 'no-permission',
    detail: `The daemon may not write to ${folder}.`,
    hint: 'Give it to the user that runs freeholdd: chown freehold FOLDER. On an installed host it lies below /mnt, /media, /srv or /var/backups.',
    cause,
  })
}
