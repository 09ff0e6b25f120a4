import { z } from 'zod'
import { alertChannelInputSchema } from './channel-schema.ts'
import { readSecretFile, replaceSecretFile } from '../../config/secret-file.ts'
import { AppError } from '../../errors/app-error.ts'
import type { AlertChannel } from './alert-channel.ts'

const fileSchema = z.strictObject({ channels: z.array(alertChannelInputSchema) })

const file = {
  what: 'The file of the alert channels',
  hint: 'The file of the alert channels must belong to the daemon, be of mode 0600 and be whole.',
}

/** The channels with their secrets; none where there is no file. Throws `config-unreadable`: owner and mode are looked at first. */
export async function readChannels(path: string): Promise<AlertChannel[]> {
  const text = await readSecretFile(path, file)
  if (text === undefined) return []
  try {
    const { channels } = fileSchema.parse(JSON.parse(text.toString()))
    return channels.map((channel) => ({ ...channel, secret: channel.secret ?? null }))
  } catch {
    // what the parsers say quotes the file, and the file holds secrets
    throw new AppError({ code: 'config-unreadable', detail: `${file.what} is damaged.`, hint: file.hint })
  }
}

/** Writes the file whole or not at all, mode 0600. */
export async function writeChannels(path: string, channels: readonly AlertChannel[]): Promise<void> {
  await replaceSecretFile(path, `${JSON.stringify({ channels }, null, 2)}\n`)
}
