import { lstat, mkdir, open, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { manifestSchema, type Manifest } from './manifest.ts'

/** Below the state folder: a backup that is unpacked whole and waits for the next start. */
export const stagedFolder = 'restore-staged'
/** In it: its manifest. */
export const restoredFile = 'restored.json'
/** The former configuration: the wizard's answers are filled from it. It is not in use before setup has run. */
export const formerConfigFile = 'restored-freehold.yaml'

/**
 * Takes over a staged restore before anything else is opened. What stood in its place is moved aside into
 * `before-restore-<time>`, never removed. May be cut off at any moment and begun again: ends in the same world. Resolves with
 * the manifest, or undefined where nothing waits.
 */
export async function takeOverStaged(stateFolder: string): Promise<Manifest | undefined> {
  const staged = join(stateFolder, stagedFolder)
  const text = await readFile(join(staged, restoredFile), 'utf8').catch(() => undefined)
  if (text === undefined) {
    // the manifest goes last: without it all has been taken over already
    await rm(staged, { recursive: true, force: true })
    return undefined
  }
  const manifest = manifestSchema.parse(JSON.parse(text))
  const aside = join(stateFolder, `before-restore-${manifest.createdAt}-${manifest.files.length}`)
  await mkdir(aside, { recursive: true, mode: 0o700 })
  const exists = async (path: string): Promise<boolean> => (await lstat(path).catch(() => undefined)) !== undefined
  const moveAside = async (path: string): Promise<void> => {
    const [from, to] = [join(stateFolder, path), join(aside, path)]
    if (!(await exists(from))) return
    await mkdir(dirname(to), { recursive: true, mode: 0o700 })
    await rename(from, to)
  }
  // what SQLite keeps beside a database belongs to that one alone: it goes before the new one comes
  if (await exists(join(staged, 'freehold.db'))) {
    for (const name of ['freehold.db-wal', 'freehold.db-shm', 'freehold.db']) await moveAside(name)
  }
  for (const { path } of manifest.files) {
    const from = join(staged, path)
    if (!(await exists(from))) continue
    const target = path === 'freehold.yaml' ? formerConfigFile : path
    await moveAside(target)
    const place = join(stateFolder, target)
    await mkdir(dirname(place), { recursive: true, mode: path.startsWith('tls/') ? 0o750 : 0o700 })
    await rename(from, place)
  }
  for (const { path, target } of manifest.links) {
    await moveAside(path)
    await symlink(target, join(stateFolder, path))
  }
  for (const folder of ['secrets', 'tls', '.']) await syncFolder(join(stateFolder, folder))
  await rm(join(staged, restoredFile))
  await rm(staged, { recursive: true, force: true })
  return manifest
}

/** Names in a folder are on disk when this resolves; one that is not there has none. */
export async function syncFolder(path: string): Promise<void> {
  if ((await readdir(path).catch(() => undefined)) === undefined) return
  const folder = await open(path)
  await folder.sync().catch(() => undefined)
  await folder.close()
}
