import { chmod, mkdir, readdir, readFile, rename, rm, rmdir, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { VmKey } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Seed, VerbOptions } from '../port.ts'
import { readQcow2Header } from './qcow2-header.ts'
import { runOrFail } from './run.ts'
import { makeSharedFolder } from './shared-folder.ts'

/** Tells a mounted pool from an empty mount point. */
export const markerName = 'freehold-pool.json'
const gib = 2 ** 30
/** Below this nothing is begun: an overlay, its seed and the first writes of a boot need as much. */
const leastFreeBytes = 64 * 2 ** 20

/**
 * Disks and seeds as files. Layout: `templates/<sha256>.qcow2`, `vms/<installation>-<tokenId>/g<generation>/`. Folders are
 * 2770 of the group that QEMU runs in; names are made from checked keys only.
 */
export class Pool {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  /** Makes folders and marker. By setup only: a daemon that did it would take an empty mount point for its pool. */
  async initialise(): Promise<void> {
    for (const name of ['templates', 'vms']) {
      await makeSharedFolder(join(this.folder, name))
    }
    const text = '{"pool":"freehold","version":1}\n'
    await writeFile(join(this.folder, markerName), text, { flag: 'wx', mode: 0o640 }).catch((e: NodeJS.ErrnoException) => {
      if (e.code !== 'EEXIST') throw e
    })
  }

  /** Removes folders and marker if no disk and no template lies there. False: something does, or nothing is left. */
  async discard(): Promise<boolean> {
    const folders = ['templates', 'vms'].map((name) => join(this.folder, name))
    const held = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))
    const marker = join(this.folder, markerName)
    if (held.some((names) => names.length > 0) || !(await exists(marker))) return false
    // the marker first: what is cut off here is no storage any more, and the next setup makes it whole again
    await rm(marker, { force: true })
    // a folder that was filled meanwhile stays
    for (const folder of folders) await rmdir(folder).catch(() => undefined)
    return true
  }

  /** Throws `pool-not-mounted` unless the marker is there. */
  async require(): Promise<void> {
    try {
      await readFile(join(this.folder, markerName))
    } catch (cause) {
      throw new AppError({ code: 'pool-not-mounted', detail: 'The folder of the disks does not carry its marker.', cause })
    }
  }

  vmFolder(key: Pick<VmKey, 'installation' | 'tokenId'>): string {
    return join(this.folder, 'vms', `${key.installation}-${key.tokenId}`)
  }

  generationFolder(key: VmKey): string {
    return join(this.vmFolder(key), `g${key.generation}`)
  }

  diskOf(key: VmKey): string {
    return join(this.generationFolder(key), 'disk.qcow2')
  }

  seedOf(key: VmKey): string {
    return join(this.generationFolder(key), 'seed.iso')
  }

  templateOf(sha256: string): string {
    return join(this.folder, 'templates', `${sha256}.qcow2`)
  }

  /** Whether disk and seed are both there; each gets its name only when it is complete. */
  async isWhole(key: VmKey): Promise<boolean> {
    return (await exists(this.diskOf(key))) && (await exists(this.seedOf(key)))
  }

  /** Throws `template-missing`, `capacity-exceeded`, `storage-full` where a disk could not be made: before anything is. */
  async requireRoom(template: string, diskGiB: number): Promise<void> {
    const header = await readQcow2Header(this.templateOf(template)).catch((cause: unknown) => {
      throw new AppError({ code: 'template-missing', detail: `Template ${template.slice(0, 12)} is not in the store.`, cause })
    })
    if (diskGiB * gib < header.virtualSizeBytes) {
      throw new AppError({
        code: 'capacity-exceeded',
        detail: `A disk of ${diskGiB} GiB is smaller than the template.`,
        hint: 'Sell a plan with a larger disk.',
      })
    }
    const { bavail, bsize } = await statfs(this.folder)
    if (bavail * bsize < leastFreeBytes) {
      throw new AppError({ code: 'storage-full', detail: 'Less than 64 MiB are free where disks lie.' })
    }
  }

  /** Makes overlay and seed, anew where they are half-made. Throws `storage-full`, `process-failed`; rejects when aborted. */
  async fill(key: VmKey, template: string, diskGiB: number, seed: Seed, options: VerbOptions): Promise<void> {
    for (const folder of [this.vmFolder(key), this.generationFolder(key)]) {
      await makeSharedFolder(folder)
    }
    options.progress?.('disk', 0)
    await this.#makeDisk(this.diskOf(key), this.templateOf(template), diskGiB, options.signal)
    options.progress?.('seed', 0.5)
    await this.#makeSeed(key, seed, options.signal)
    options.signal?.throwIfAborted()
  }

  async #makeDisk(disk: string, template: string, diskGiB: number, signal: AbortSignal | undefined): Promise<void> {
    const temporary = `${disk}.new`
    await rm(temporary, { force: true })
    const args = ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', template, temporary, `${diskGiB}G`]
    await runOrFail('make the disk', 'qemu-img', args, { ...(signal && { signal }) })
    await chmod(temporary, 0o660)
    await rename(temporary, disk)
  }

  /** The NoCloud seed: an ISO 9660 image with Joliet and Rock Ridge names and the label `cidata`. */
  async #makeSeed(key: VmKey, seed: Seed, signal: AbortSignal | undefined): Promise<void> {
    const folder = join(this.generationFolder(key), 'seed')
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { mode: 0o700 })
    const files = {
      'user-data': seed.userData,
      'meta-data': seed.metaData,
      'network-config': seed.networkConfig,
      'freehold.json': seed.freeholdJson,
    }
    try {
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600, flag: 'wx' })
      const temporary = `${this.seedOf(key)}.new`
      await rm(temporary, { force: true })
      const args = ['-as', 'genisoimage', '-quiet', '-V', 'cidata', '-J', '-r', '-o', temporary, folder]
      await runOrFail('make the seed', 'xorriso', args, { ...(signal && { signal }) })
      await chmod(temporary, 0o640)
      await rename(temporary, this.seedOf(key))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** All files of a generation, and the VM's folder with the last of them. No-op if there are none. */
  async remove(key: VmKey): Promise<void> {
    await rm(this.generationFolder(key), { recursive: true, force: true })
    const rest = await readdir(this.vmFolder(key)).catch(() => undefined)
    if (rest?.length === 0) await rm(this.vmFolder(key), { recursive: true, force: true })
  }

  /** Bytes that a disk takes on the storage now, its snapshot included; 0 if it is not there. */
  async allocatedBytes(key: VmKey): Promise<number> {
    return await stat(this.diskOf(key)).then(
      ({ blocks }) => blocks * 512,
      () => 0,
    )
  }

  /** What every disk of every VM is laid over, read from the disks. */
  async backingFiles(): Promise<string[]> {
    const names = (await readdir(join(this.folder, 'vms'), { recursive: true })).filter((name) => name.endsWith('disk.qcow2'))
    const found: string[] = []
    for (const name of names) {
      const { backingFile } = await readQcow2Header(join(this.folder, 'vms', name))
      if (backingFile !== undefined) found.push(backingFile)
    }
    return found
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}
