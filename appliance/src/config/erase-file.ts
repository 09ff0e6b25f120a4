import { constants } from 'node:fs'
import { access, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Overwrites what a file holds, on disk when this resolves. File systems that write in place, such as ext4, keep nothing of it then;
 * worn cells and snapshots below them are out of reach. May be called for a file that was replaced or removed while it was open.
 */
export async function overwrite(file: FileHandle): Promise<void> {
  const { size } = await file.stat()
  await file.write(Buffer.alloc(size), 0, size, 0)
  await file.sync()
}

/**
 * A secret that is not needed any more: gone, and its blocks overwritten (I7). It has another name before its content changes, so
 * that a kill leaves either the secret or none, never a file that cannot be read; called again it ends what was begun. Resolves
 * where there is none.
 */
export async function eraseFile(path: string): Promise<void> {
  const going = goingOf(path)
  await eraseNamed(going)
  const there = await rename(path, going).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false
      throw error
    },
  )
  if (!there) return
  await syncFolder(dirname(path))
  await eraseNamed(going)
}

/** Whether nothing of the secret is left, nor of an erasure that was cut off. */
export async function isErased(path: string): Promise<boolean> {
  for (const name of [path, goingOf(path)]) {
    const there = await access(name).then(
      () => true,
      () => false,
    )
    if (there) return false
  }
  return true
}

const goingOf = (path: string): string => `${path}.going`

async function eraseNamed(path: string): Promise<void> {
  let file
  try {
    file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW)
  } catch (error) {
    if (isMissing(error)) return
    throw error
  }
  try {
    await overwrite(file)
  } finally {
    await file.close()
  }
  await rm(path, { force: true })
  await syncFolder(dirname(path))
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync().finally(() => folder.close())
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
