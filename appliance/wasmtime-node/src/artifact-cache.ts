import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { WasmError } from './errors.ts'

const macBytes = 32

export interface CacheOptions {
  folder: string
  /** 32 bytes that nobody else has: without them a file here would be machine code of whoever can write the folder. */
  key: Uint8Array
  /** The oldest go beyond this. */
  maxBytes: number
}

/**
 * Artifacts on disk, each under a MAC over name and bytes. A damaged or foreign file is no artifact: it is removed and counts as
 * absent. Keys name the tenant, so nobody learns from timing what others run.
 */
export class ArtifactCache {
  readonly #options: CacheOptions
  /** Bytes in the folder, once it has been looked at; what another process puts there is seen when it is full. */
  #held: number | undefined
  /** Files that were there and were not ours, since the start. */
  damaged = 0

  constructor(options: CacheOptions) {
    if (options.key.length < 32) throw new WasmError('artifact-damaged', 'the cache needs a key of 32 bytes', 'Make one.')
    this.#options = options
  }

  /** What an artifact depends on: engine, tenant, program (or its SHA-256 in hex, where that is known). */
  static nameOf(parts: { compatibility: string; tenant: string } & ({ wasm: Uint8Array } | { sha256: string })): string {
    const program = 'sha256' in parts ? parts.sha256 : createHash('sha256').update(parts.wasm).digest('hex')
    return createHash('sha256')
      .update(JSON.stringify([parts.compatibility, parts.tenant, program]))
      .digest('hex')
  }

  /** The artifact, or undefined. The bytes answered are the bytes that were checked. */
  async get(name: string): Promise<Buffer | undefined> {
    const path = this.#pathOf(name)
    const bytes = await readFile(path).catch(() => undefined)
    if (bytes === undefined) return undefined
    const artifact = bytes.subarray(macBytes)
    if (bytes.length < macBytes || !timingSafeEqual(bytes.subarray(0, macBytes), this.#macOf(name, artifact))) {
      this.damaged += 1
      await rm(path, { force: true })
      return undefined
    }
    const now = new Date()
    await utimes(path, now, now).catch(() => {})
    return artifact
  }

  /** Keeps an artifact. Never fails a caller that has it in hand: a full disk costs time later. Answers whether it was kept. */
  async put(name: string, artifact: Uint8Array): Promise<boolean> {
    const path = this.#pathOf(name)
    const made = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`
    try {
      await mkdir(this.#options.folder, { recursive: true, mode: 0o700 })
      const file = await open(made, 'wx', 0o600)
      try {
        await file.writev([this.#macOf(name, artifact), artifact])
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(made, path)
    } catch {
      await rm(made, { force: true }).catch(() => {})
      return false
    }
    await this.#shrink(macBytes + artifact.length)
    return true
  }

  /** Looks at the folder once, and again only when it holds too much: there may be thousands of files. */
  async #shrink(added: number): Promise<void> {
    const { folder, maxBytes } = this.#options
    if (this.#held !== undefined) {
      this.#held += added
      if (this.#held <= maxBytes) return
    }
    const names = await readdir(folder)
    const files = await Promise.all(
      names.map(async (name) => {
        const path = join(folder, name)
        const info = await stat(path).catch(() => undefined)
        return { path, size: info?.size ?? 0, used: info?.mtimeMs ?? 0 }
      }),
    )
    let total = files.reduce((sum, file) => sum + file.size, 0)
    for (const file of files.toSorted((a, b) => a.used - b.used)) {
      if (total <= maxBytes) break
      total -= file.size
      await rm(file.path, { force: true })
    }
    this.#held = total
  }

  #pathOf(name: string): string {
    if (!/^[0-9a-f]{64}$/.test(name)) throw new WasmError('artifact-damaged', 'this is no name of an artifact', 'Use nameOf.')
    return join(this.#options.folder, name)
  }

  #macOf(name: string, artifact: Uint8Array): Buffer {
    return createHmac('sha256', this.#options.key).update(name).update(artifact).digest()
  }
}
