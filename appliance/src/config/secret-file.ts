import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../errors/app-error.ts'

export interface SecretFileOptions {
  /** What the file is, as the beginning of a sentence: `The file of the provisioner key`. */
  what?: string
  /** What a person must do about a file that is refused. */
  hint?: string
  /** For a reader that is not the one who uses the secret, as an audit by root. */
  anyOwner?: boolean
}

/** Longer than any key, certificate or list of channels. */
const longest = 1_048_576

/**
 * Content of a secret file, or undefined if there is none. Kind, owner, mode and length are looked at on the open descriptor.
 * Throws AppError `config-unreadable`; the cause names the path.
 */
export async function readSecretFile(path: string, options: SecretFileOptions = {}): Promise<Buffer | undefined> {
  const { what = 'A file with a secret', anyOwner = false } = options
  const { hint = 'It must belong to who uses it and be of mode 0600. If others may have read it, make a new one.' } = options
  const refuse = (problem: string, cause?: unknown): AppError =>
    new AppError({ code: 'config-unreadable', detail: `${what} ${problem}.`, hint, cause: new Error(path, { cause }) })
  let file
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined
    throw refuse('cannot be opened', cause)
  }
  try {
    const status = await file.stat()
    if (!status.isFile()) throw refuse('is not a plain file')
    if ((status.mode & 0o077) !== 0)
      throw refuse(`can be read by others than its owner: mode ${(status.mode & 0o777).toString(8)}`)
    if (!anyOwner && status.uid !== process.getuid?.()) throw refuse('belongs to another user')
    if (status.size > longest) throw refuse('is too long')
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** The file's content, made by `make` if there is none. Two at once end with one content. Throws as `readSecretFile`. */
export async function readOrCreateSecretFile(
  path: string,
  make: () => Promise<string | Uint8Array>,
  options: SecretFileOptions = {},
): Promise<Buffer> {
  const found = await readSecretFile(path, options)
  if (found !== undefined) return found
  await createSecretFile(path, await make())
  const made = await readSecretFile(path, options)
  if (made === undefined) throw new Error(`${path} is gone right after it was made`)
  return made
}

/** Makes a file of mode 0600 that is there whole or not at all, on disk when this resolves. Leaves one that is there already. */
export async function createSecretFile(path: string, content: string | Uint8Array): Promise<void> {
  await throughDraft(path, content, async (draft) => {
    try {
      // link, unlike rename, never takes the place of a secret that stands already
      await link(draft, path)
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
  })
}

/** Writes a file of mode 0600, in the place of the one that is there: either is whole at every moment. */
export async function replaceSecretFile(path: string, content: string | Uint8Array): Promise<void> {
  await throughDraft(path, content, (draft) => rename(draft, path))
}

async function throughDraft(path: string, content: string | Uint8Array, place: (draft: string) => Promise<void>): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(8).toString('hex')}`
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await place(draft)
  } finally {
    await rm(draft, { force: true })
  }
  const directory = await open(folder)
  await directory.sync().finally(() => directory.close())
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
