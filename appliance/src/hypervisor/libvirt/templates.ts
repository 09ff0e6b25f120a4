import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../errors/app-error.ts'
import type { TemplateRecord, VerbOptions } from '../port.ts'
import type { Pool } from './pool.ts'
import { readQcow2Header } from './qcow2-header.ts'

interface Image {
  path: string
  sha256: string
}

/** The templates of a pool: immutable files, each named by the SHA-256 of its content. */
export class Templates {
  readonly #pool: Pool
  readonly #importing = new Map<string, Promise<void>>()

  constructor(pool: Pool) {
    this.#pool = pool
  }

  async list(): Promise<TemplateRecord[]> {
    const names = (await readdir(join(this.#pool.folder, 'templates'))).filter((name) => /^[0-9a-f]{64}\.qcow2$/.test(name))
    const backing = await this.#pool.backingFiles()
    return await Promise.all(
      names.map(async (name) => {
        const path = join(this.#pool.folder, 'templates', name)
        const { virtualSizeBytes } = await readQcow2Header(path)
        const usedBy = backing.filter((file) => file === path).length
        return { sha256: name.slice(0, 64), sizeBytes: (await stat(path)).size, virtualSizeBytes, usedBy }
      }),
    )
  }

  /**
   * Copies and hashes in one go; a file whose content differs never gets the name (V8), nor one that is not a whole qcow2 by
   * itself: a backing file named in it could be any file of this host. One that is there is hashed again.
   * Throws `template-missing`, `template-damaged`, `storage-full`.
   */
  async import(image: Image, options: VerbOptions): Promise<TemplateRecord> {
    const going =
      this.#importing.get(image.sha256) ?? this.#copy(image, options).finally(() => this.#importing.delete(image.sha256))
    this.#importing.set(image.sha256, going)
    await going
    const record = (await this.list()).find((t) => t.sha256 === image.sha256)
    if (record !== undefined) return record
    throw new AppError({ code: 'template-missing', detail: 'The template is not there after its import.' })
  }

  /** Throws `not-in-this-state` while a disk refers to it. No-op if it is not there. */
  async remove(sha256: string): Promise<void> {
    const record = (await this.list()).find((t) => t.sha256 === sha256)
    if (record === undefined) return
    if (record.usedBy > 0) {
      const hint = 'It goes with the last of them.'
      throw new AppError({ code: 'not-in-this-state', detail: `${record.usedBy} disks refer to this template.`, hint })
    }
    await rm(this.#pool.templateOf(sha256))
  }

  async #copy(image: Image, options: VerbOptions): Promise<void> {
    const target = this.#pool.templateOf(image.sha256)
    const kept = await stat(target).catch(() => undefined)
    if (kept !== undefined) return await requireHash(target, image.sha256)
    const { size } = await stat(image.path).catch((cause: unknown) => {
      throw new AppError({ code: 'template-missing', detail: 'The image to import is not there.', cause })
    })
    const hash = createHash('sha256')
    let copied = 0
    const meter = new Transform({
      transform(chunk: Buffer, _, done) {
        hash.update(chunk)
        copied += chunk.length
        options.progress?.('copying', size === 0 ? 1 : copied / size)
        done(null, chunk)
      },
    })
    const temporary = `${target}.new`
    await rm(temporary, { force: true })
    try {
      const output = createWriteStream(temporary, { mode: 0o640, flags: 'wx' })
      await pipeline(createReadStream(image.path), meter, output, { ...(options.signal && { signal: options.signal }) })
      if (hash.digest('hex') !== image.sha256) throw damaged(image.sha256)
      const { backingFile, externalData } = await readQcow2Header(temporary)
      if (backingFile !== undefined || externalData) {
        throw new AppError({ code: 'template-damaged', detail: 'The image needs other files; a template is whole by itself.' })
      }
      const file = await open(temporary, 'r')
      await file.sync()
      await file.close()
      await chmod(temporary, 0o440)
      await rename(temporary, target)
    } catch (cause) {
      await rm(temporary, { force: true })
      if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause
      const mib = Math.ceil(size / 2 ** 20)
      throw new AppError({ code: 'storage-full', detail: `There was no room to import the template of ${mib} MiB.`, cause })
    }
  }
}

async function requireHash(path: string, sha256: string): Promise<void> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  if (hash.digest('hex') !== sha256) throw damaged(sha256)
}

function damaged(sha256: string): AppError {
  return new AppError({ code: 'template-damaged', detail: `The content of the image is not ${sha256.slice(0, 12)}….` })
}
