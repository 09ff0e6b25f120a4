import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from './manifest.ts'

/** One file of a backup and where its bytes come from. */
export interface Part {
  path: string
  bytes: number
  sha256: string
  mode: 0o600 | 0o640
  /** Held in memory from the moment of the hash, or a file that nobody writes to. */
  from: { content: Buffer } | { file: string }
}

/** Folders of the state folder that are kept. Disks, templates, logs and sockets are in none of them. */
const keptFolders = ['secrets', 'tls'] as const

/**
 * What no backup takes along. The provisioner's key stays where it is: two hosts that hold it would both act for one contract;
 * a host that comes back makes a new one, and the owner names it. The machine's first certificate and what Caddy is told are
 * the machine's own, and halves of files are nobody's.
 */
export function isLeftOut(path: string): boolean {
  return (
    /^secrets\/provisioner[^/]*\.key(\.passphrase)?$/.test(path) ||
    /^tls\/(first-boot\.|challenges\/|Caddyfile|next(\/|$))/.test(path) ||
    path.split('/').some((name) => /^\.|\.new$|\.[0-9a-f]{16}$/.test(name))
  )
}

async function* filesBelow(root: string, path: string): AsyncGenerator<string> {
  const entries = await readdir(join(root, path), { withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const below = `${path}/${entry.name}`
    if (isLeftOut(below)) continue
    if (entry.isDirectory()) yield* filesBelow(root, below)
    else if (entry.isFile()) yield below
  }
}

const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex')

async function part(stateFolder: string, path: string): Promise<Part> {
  const [content, { mode }] = await Promise.all([readFile(join(stateFolder, path)), lstat(join(stateFolder, path))])
  return {
    path,
    bytes: content.length,
    sha256: sha256(content),
    mode: (mode & 0o040) !== 0 ? 0o640 : 0o600,
    from: { content },
  }
}

/** Configuration, secrets and certificates: small, read at once, so that what was hashed is what is written. */
export async function smallParts(stateFolder: string): Promise<Part[]> {
  const parts = [await part(stateFolder, 'freehold.yaml')]
  for (const folder of keptFolders) {
    for await (const path of filesBelow(stateFolder, folder)) parts.push(await part(stateFolder, path))
  }
  return parts
}

/** Which certificate is in use, as a link that a restore makes again. */
export async function linksOf(stateFolder: string): Promise<Manifest['links']> {
  const target = await readlink(join(stateFolder, 'tls/site')).catch(() => undefined)
  return target !== undefined && /^issued-[0-9A-F]{16}$/.test(target) ? [{ path: 'tls/site', target }] : []
}

/** A file that nobody writes to any more, such as the copy of the database. */
export async function filePart(path: string, file: string): Promise<Part> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { path, bytes, sha256: hash.digest('hex'), mode: 0o600, from: { file } }
}

/** A word for all secrets and the configuration as they are: another one, and a backup is due. Says nothing about any of them. */
export function digestOf(parts: readonly Pick<Part, 'path' | 'sha256'>[]): string {
  const lines = parts.filter(({ path }) => path !== 'freehold.db').map(({ path, sha256: hash }) => `${path} ${hash}`)
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}
