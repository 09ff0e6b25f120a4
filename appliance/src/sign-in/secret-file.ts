import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../errors/app-error.ts'

/** What a secret file holds, or undefined if there is none. Throws `config-unreadable` if others than its owner may read it. */
export async function readSecret(path: string): Promise<Buffer | undefined> {
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0) {
      throw new AppError({
        code: 'config-unreadable',
        detail: 'A file with a secret can be read by others than its owner.',
        hint: 'Set its mode to 0600; if others may have read it, make a new one.',
        cause: new Error(path),
      })
    }
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * The file's content, made by `make` if there is none: mode 0600, whole or absent, on disk when this resolves. Two at once
 * end with one content.
 */
export async function readOrCreateSecret(path: string, make: () => Promise<string | Uint8Array>): Promise<Buffer> {
  const found = await readSecret(path)
  if (found !== undefined) return found
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = join(folder, `.new-${randomBytes(8).toString('hex')}`)
  const content = await make()
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    // link, unlike rename, never takes the place of a secret that stands already
    await link(draft, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await rm(draft, { force: true })
  }
  const directory = await open(folder)
  await directory.sync().finally(() => directory.close())
  return await readFile(path)
}
