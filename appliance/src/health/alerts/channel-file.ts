import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { alertChannelInputSchema } from './channel-schema.ts'
import { AppError } from '../../errors/app-error.ts'
import type { AlertChannel } from './alert-channel.ts'

const fileSchema = z.strictObject({ channels: z.array(alertChannelInputSchema) })

function unreadable(detail: string, cause?: unknown): AppError {
  return new AppError({
    code: 'config-unreadable',
    detail,
    hint: 'The file of the alert channels must belong to the daemon, be of mode 0600 and be whole.',
    cause,
  })
}

/** The channels with their secrets; none where there is no file. Throws `config-unreadable`: owner and mode are looked at first. */
export async function readChannels(path: string): Promise<AlertChannel[]> {
  let file
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
    throw unreadable('The file of the alert channels cannot be opened.', cause)
  }
  try {
    const status = await file.stat()
    if (!status.isFile() || (status.mode & 0o077) !== 0 || status.uid !== process.getuid?.()) {
      throw unreadable('The file of the alert channels may be read by others, or is not ours.')
    }
    const parsed = fileSchema.safeParse(JSON.parse(await file.readFile('utf8')))
    if (!parsed.success) throw unreadable('The file of the alert channels is damaged.')
    return parsed.data.channels.map((channel) => ({ ...channel, secret: channel.secret ?? null }))
  } catch (error) {
    // what JSON.parse says quotes the file, and the file holds secrets
    throw error instanceof AppError ? error : unreadable('The file of the alert channels is damaged.')
  } finally {
    await file.close()
  }
}

/** Writes the file whole or not at all, mode 0600. */
export async function writeChannels(path: string, channels: readonly AlertChannel[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(`${JSON.stringify({ channels }, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
