import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { AppError } from '../errors/app-error.ts'

/** What this terminal knows of WASM hosting at one host for one wallet. */
export interface KnownWasm {
  url: string
  keyId: string
  text: string
  /** The key that receipts were signed with at first sight. */
  hostKey: Record<string, unknown> | null
}

const fileSchema = z.record(
  z.string(),
  z.strictObject({ url: z.string(), keyId: z.string(), text: z.string(), hostKey: z.record(z.string(), z.unknown()).nullable() }),
)

function path(): string {
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local/state'), 'freehold', 'cli-wasm-keys.json')
}

async function read(): Promise<Record<string, KnownWasm>> {
  try {
    return fileSchema.parse(JSON.parse(await readFile(path(), 'utf8')))
  } catch {
    return {}
  }
}

/** The key of an earlier call. `who`: the wallet's address in lower case, or `any` for the newest of this host. */
export async function knownWasm(origin: string, who: string | undefined): Promise<KnownWasm | undefined> {
  const known = await read()
  if (who !== undefined) return known[`${origin} ${who}`]
  return Object.entries(known).findLast(([name]) => name.startsWith(`${origin} `))?.[1]
}

/** Keeps it, readable by its owner only; undefined forgets it. */
export async function keepWasm(origin: string, who: string, known: KnownWasm | undefined): Promise<void> {
  const all = await read()
  // the newest stands last
  delete all[`${origin} ${who}`]
  if (known !== undefined) all[`${origin} ${who}`] = known
  const file = path()
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeFile(`${file}.new`, JSON.stringify(all), { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** An API key from a file of mode 0600. Throws `bad-input`. */
export async function keyFromFile(file: string): Promise<string> {
  const found = await stat(file).catch((cause: unknown) => {
    throw new AppError({
      code: 'bad-input',
      detail: `${file} could not be read.`,
      hint: 'Name a file with the key in it.',
      cause,
    })
  })
  if ((found.mode & 0o077) !== 0) {
    throw new AppError({
      code: 'bad-input',
      detail: `${file} can be read by others.`,
      hint: `chmod 600 ${file}; if others may have read it, rotate the key.`,
    })
  }
  return (await readFile(file, 'utf8')).trim()
}
