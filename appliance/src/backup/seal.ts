import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { createTarDecoder, createTarPacker, type ParsedTarEntry } from 'modern-tar'
import { AppError } from '../errors/app-error.ts'
import type { Part } from './contents.ts'
import { opener, sealer, type OpenKeys, type SealKeys } from './keys.ts'
import { anyManifestSchema, backupVersion, manifestName, manifestSchema, type Manifest } from './manifest.ts'

type Bytes = ReadableStream<Uint8Array>

/**
 * Writes `tar | gzip | age` into a new file of mode 0600, on disk when this resolves; `age -d FILE | tar xz` opens it without
 * Freehold. `path` must not exist. Throws `storage-full`.
 * @param workFactor of scrypt, for passphrases; tests take less.
 */
export async function writeSealed(
  path: string,
  manifest: Manifest,
  parts: readonly Part[],
  keys: SealKeys,
  workFactor?: number,
): Promise<void> {
  const { readable, controller } = createTarPacker()
  const packing = pack(controller, manifest, parts).catch((error: unknown) => controller.error(error))
  const zipped = readable.pipeThrough(new CompressionStream('gzip') as ReadableWritablePair<Uint8Array, Uint8Array<ArrayBuffer>>)
  const sealed = await sealer(keys, workFactor).encrypt(zipped)
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const chunk of sealed as unknown as AsyncIterable<Uint8Array>) await file.writeFile(chunk)
    await packing
    await file.sync()
  } catch (error) {
    throw fullOr(error)
  } finally {
    await file.close()
  }
}

async function pack(
  controller: ReturnType<typeof createTarPacker>['controller'],
  manifest: Manifest,
  parts: readonly Part[],
): Promise<void> {
  const mtime = new Date(manifest.createdAt * 1000)
  const first = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
  await add({ name: manifestName, size: first.length, mode: 0o600, mtime }, [first])
  for (const { path, bytes, mode, from } of parts) {
    const content = 'content' in from ? [from.content] : (createReadStream(from.file) as AsyncIterable<Buffer>)
    await add({ name: path, size: bytes, mode, mtime }, content)
  }
  controller.finalize()

  async function add(
    header: Parameters<typeof controller.add>[0],
    content: Iterable<Buffer> | AsyncIterable<Buffer>,
  ): Promise<void> {
    const writer = controller.add(header).getWriter()
    for await (const chunk of content) await writer.write(chunk)
    await writer.close()
  }
}

/** The disk is full: that is named; everything else stays as it is. */
export function fullOr(error: unknown): unknown {
  for (let e = error; e instanceof Error; e = e.cause) {
    const { code, errcode } = e as { code?: unknown; errcode?: unknown }
    // 13: SQLITE_FULL
    if (code === 'ENOSPC' || code === 'EDQUOT' || errcode === 13) {
      return new AppError({ code: 'storage-full', detail: 'There is no room for the backup.', cause: error })
    }
  }
  return error
}

/**
 * Opens a backup and holds every byte to its manifest. With `unpackTo`, an empty folder, the files are laid down there, each on
 * disk when this resolves; a failure leaves halves there that count for nothing. Throws `backup-unreadable` (cut, damaged, no backup), `backup-key-wrong`,
 * `backup-newer`, `storage-full`.
 */
export async function readSealed(path: string, keys: OpenKeys, unpackTo?: string): Promise<Manifest> {
  await mustBeAge(path)
  const age = opener(keys)
  let plain: Bytes
  try {
    plain = await age.decrypt(Readable.toWeb(createReadStream(path)) as unknown as Bytes)
  } catch (cause) {
    throw notOpened(cause)
  }
  try {
    const unzipped = plain.pipeThrough(new DecompressionStream('gzip') as ReadableWritablePair<Uint8Array, Uint8Array>)
    const entries = unzipped.pipeThrough(createTarDecoder({ strict: true }))
    return await holdToManifest(entries as unknown as AsyncIterable<ParsedTarEntry>, unpackTo)
  } catch (error) {
    const known = fullOr(error)
    if (known instanceof AppError) throw known
    throw new AppError({
      code: 'backup-unreadable',
      detail: 'The file is cut off or damaged: not all of it is as it was sealed.',
      cause: error,
    })
  }
}

async function mustBeAge(path: string): Promise<void> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new AppError({ code: 'backup-unreadable', detail: 'The file cannot be opened.', cause })
  })
  const start = Buffer.alloc(21)
  await file.read(start, 0, start.length, 0).finally(() => file.close())
  if (start.toString('latin1') !== 'age-encryption.org/v1') {
    throw new AppError({ code: 'backup-unreadable', detail: 'The file is no sealed backup: it does not begin as one of age.' })
  }
}

function notOpened(cause: unknown): AppError {
  const words = cause instanceof Error ? cause.message : ''
  if (/no identity matched|passphrase|incorrect/i.test(words)) {
    return new AppError({
      code: 'backup-key-wrong',
      detail: 'The backup is sealed to another key, or its first lines are damaged.',
      cause,
    })
  }
  return new AppError({ code: 'backup-unreadable', detail: 'The head of the file is cut off or damaged.', cause })
}

async function holdToManifest(entries: AsyncIterable<ParsedTarEntry>, unpackTo: string | undefined): Promise<Manifest> {
  let manifest: Manifest | undefined
  const open = new Map<string, Manifest['files'][number]>()
  for await (const { header, body } of entries) {
    if (manifest === undefined) {
      if (header.name !== manifestName || header.size > 2 ** 20) throw new Error('the first entry is no manifest')
      manifest = parseManifest(
        Buffer.concat(await Array.fromAsync(body as unknown as AsyncIterable<Uint8Array>)).toString('utf8'),
      )
      for (const file of manifest.files) open.set(file.path, file)
      continue
    }
    const wanted = open.get(header.name)
    if (wanted === undefined || header.type !== 'file' || header.size !== wanted.bytes)
      throw new Error('an entry is not that of the manifest')
    open.delete(header.name)
    const found = await passOn(body, unpackTo === undefined ? undefined : join(unpackTo, wanted.path), wanted.mode)
    if (found !== wanted.sha256) throw new Error('an entry has other bytes than the manifest says')
  }
  if (manifest === undefined || open.size > 0) throw new Error('entries are missing')
  return manifest
}

function parseManifest(text: string): Manifest {
  const value: unknown = JSON.parse(text)
  const any = anyManifestSchema.safeParse(value)
  if (any.success && any.data.version > backupVersion) {
    throw new AppError({
      code: 'backup-newer',
      detail: `The backup is of version ${any.data.version}; this Freehold reads version ${backupVersion}.`,
    })
  }
  return manifestSchema.parse(value)
}

/** Resolves with the SHA-256 of what went by. */
async function passOn(body: ReadableStream<Uint8Array>, path: string | undefined, mode: number): Promise<string> {
  const hash = createHash('sha256')
  let file: FileHandle | undefined
  try {
    if (path !== undefined) {
      await mkdir(dirname(path), { recursive: true, mode: path.includes('/tls/') ? 0o750 : 0o700 })
      file = await open(path, 'wx', mode)
    }
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      hash.update(chunk)
      await file?.writeFile(chunk)
    }
    await file?.sync()
  } finally {
    await file?.close()
  }
  return hash.digest('hex')
}
