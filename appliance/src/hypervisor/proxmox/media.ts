import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import type { VerbOptions } from '../port.ts'
import { storageStatus, upid, volumes } from './answers.ts'
import { volumeId, type StorageId, type VolumeId } from './formats.ts'
import type { RawBody } from './http.ts'
import { watchOf, type PveServer } from './server.ts'
import { taskLimitsMs } from './tasks.ts'
import { AppError } from '../../errors/app-error.ts'

/** A file to be uploaded. `sha256` is checked by the server before the file gets its name. */
export interface MediaFile {
  name: string
  sizeBytes: number
  sha256: string
  open(): Readable
}

/** Seeds and images under way: files on the media storage of a node. */
export class Media {
  readonly #server: PveServer
  readonly #storage: StorageId

  constructor(server: PveServer, storage: StorageId) {
    this.#server = server
    this.#storage = storage
  }

  volumeOf(content: 'iso' | 'import', name: string): VolumeId {
    return volumeId.parse(`${this.#storage}:${content}/${name}`)
  }

  /** Uploads unless it is there already: names carry a hash. Throws `storage-unsuitable` before a byte where the type is missing. */
  async put(node: string, content: 'iso' | 'import', file: MediaFile, verb: VerbOptions): Promise<VolumeId> {
    const volid = this.volumeOf(content, file.name)
    const path = `/nodes/${node}/storage/${this.#storage}`
    const status = await this.#server.client.get(`${path}/status`, storageStatus)
    if (!status.content.split(',').includes(content)) {
      throw new AppError({
        code: 'storage-unsuitable',
        detail: `The storage ${this.#storage} does not take content of the type ${content}.`,
        hint: `On a node: pvesm set ${this.#storage} --content ${status.content},${content}`,
      })
    }
    // an upload that an earlier process began is waited for, and its task forgotten
    await this.#server.finishFormer(file.name, taskLimitsMs.upload, verb.signal)
    await this.#server.reach({
      about: file.name,
      node,
      vmid: undefined,
      done: async () => (await this.list(node, content)).includes(volid),
      act: () =>
        this.#server.client.upload(`${path}/upload`, upid, multipart(content, file), {
          signal: verb.signal,
          timeoutMs: taskLimitsMs.upload,
        }),
      watch: watchOf(taskLimitsMs.upload, 'uploading', verb),
      allocates: `${node}/${this.#storage}`,
    })
    return volid
  }

  async list(node: string, content: 'iso' | 'import'): Promise<VolumeId[]> {
    const found = await this.#server.client.get(`/nodes/${node}/storage/${this.#storage}/content`, volumes, { content })
    return found.flatMap((volume) => {
      const parsed = volumeId.safeParse(volume.volid)
      return parsed.success ? [parsed.data] : []
    })
  }

  /** Deletes one file. No-op if it is not there. */
  async remove(node: string, content: 'iso' | 'import', volid: VolumeId): Promise<void> {
    const path = `/nodes/${node}/storage/${this.#storage}/content/${encodeURIComponent(volid)}`
    await this.#server.reach({
      about: volid,
      node,
      vmid: undefined,
      done: async () => !(await this.list(node, content)).includes(volid),
      act: async () => {
        const task = await this.#server.client.delete(path, upid.nullable())
        return task ?? undefined
      },
      watch: { limitMs: taskLimitsMs.delete },
    })
  }

  /** Deletes all files whose name begins so. */
  async removeAll(node: string, content: 'iso' | 'import', prefix: string): Promise<void> {
    for (const volid of await this.list(node, content)) {
      if (volid.startsWith(`${this.#storage}:${content}/${prefix}`)) await this.remove(node, content, volid)
    }
  }
}

/** Fields first, the file last in a part called `filename`. Source: fact sheet, from the server's upload handler. */
function multipart(content: string, file: MediaFile): RawBody {
  const boundary = `freehold-${randomBytes(12).toString('hex')}`
  const field = (name: string, value: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  const head = Buffer.from(
    `${field('content', content)}${field('checksum-algorithm', 'sha256')}${field('checksum', file.sha256)}--${boundary}\r\nContent-Disposition: form-data; name="filename"; filename="${file.name}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  async function* parts(): AsyncGenerator<Buffer> {
    yield head
    for await (const chunk of file.open()) yield chunk as Buffer
    yield tail
  }
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    length: head.length + file.sizeBytes + tail.length,
    open: () => Readable.from(parts()),
  }
}
