import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import type { VmKey } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Seed, TemplateRecord, VerbOptions } from '../port.ts'
import { runOrFail } from './run.ts'

const markerName = 'freehold-pool.json'
const infoSchema = z.object({
  'virtual-size': z.number(),
  'actual-size': z.number(),
  'full-backing-filename': z.string().optional(),
})

/**
 * Disks, seeds and templates as files. Layout: `templates/<sha256>.qcow2`, `vms/<installation>-<tokenId>/g<generation>/`.
 * The marker file tells a mounted pool from an empty mount point; it is made by setup only.
 */
export class Pool {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  async initialise(): Promise<void> {
    for (const name of ['templates', 'vms']) {
      await mkdir(join(this.folder, name), { recursive: true })
      await chmod(join(this.folder, name), 0o2770)
    }
    await writeFile(join(this.folder, markerName), '{"pool":"freehold","version":1}\n', { flag: 'wx', mode: 0o640 }).catch(
      (e: NodeJS.ErrnoException) => {
        if (e.code !== 'EEXIST') throw e
      },
    )
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

  /** Makes the overlay; a half-made one never bears the final name. Throws `template-missing`, `storage-full`, `capacity-exceeded`. */
  async makeDisk(key: VmKey, template: string, diskGiB: number, options: VerbOptions): Promise<void> {
    const base = this.templateOf(template)
    const info = await this.info(base).catch(() => undefined)
    if (info === undefined)
      throw new AppError({ code: 'template-missing', detail: `Template ${template.slice(0, 12)} is not in the store.` })
    if (diskGiB * 2 ** 30 < info['virtual-size']) {
      throw new AppError({
        code: 'capacity-exceeded',
        detail: `A disk of ${diskGiB} GiB is smaller than the template.`,
        hint: 'Sell a plan with a larger disk.',
      })
    }
    const { bavail, bsize } = await statfs(this.folder)
    if (bavail * bsize < 64 * 2 ** 20)
      throw new AppError({ code: 'storage-full', detail: 'Less than 64 MiB are free where disks lie.' })
    const folder = this.generationFolder(key)
    await mkdir(folder, { recursive: true })
    await chmod(this.vmFolder(key), 0o2770)
    await chmod(folder, 0o2770)
    const temporary = `${this.diskOf(key)}.new`
    await rm(temporary, { force: true })
    await runOrFail(
      'make the disk',
      'qemu-img',
      ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, temporary, `${diskGiB}G`],
      {
        ...(options.signal !== undefined && { signal: options.signal }),
      },
    )
    await chmod(temporary, 0o660)
    await rename(temporary, this.diskOf(key))
  }

  /** The NoCloud seed as an ISO 9660 image with the label `cidata`. */
  async makeSeed(key: VmKey, seed: Seed): Promise<void> {
    const folder = join(this.generationFolder(key), 'seed')
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const files = {
      'user-data': seed.userData,
      'meta-data': seed.metaData,
      'network-config': seed.networkConfig,
      'freehold.json': seed.freeholdJson,
    }
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600 })
    const target = this.seedOf(key)
    await runOrFail('make the seed', 'xorriso', [
      '-as',
      'genisoimage',
      '-quiet',
      '-V',
      'cidata',
      '-J',
      '-r',
      '-o',
      `${target}.new`,
      folder,
    ])
    await rm(folder, { recursive: true })
    await chmod(`${target}.new`, 0o640)
    await rename(`${target}.new`, target)
  }

  async info(path: string): Promise<z.output<typeof infoSchema>> {
    return infoSchema.parse(JSON.parse(await runOrFail('read an image', 'qemu-img', ['info', '-U', '--output=json', path])))
  }

  async removeGeneration(key: VmKey): Promise<void> {
    await rm(this.generationFolder(key), { recursive: true, force: true })
    const rest = await readdir(this.vmFolder(key)).catch(() => undefined)
    if (rest?.length === 0) await rm(this.vmFolder(key), { recursive: true, force: true })
  }

  /** Every disk of every VM, ours by place. */
  async disks(): Promise<string[]> {
    const found = await readdir(join(this.folder, 'vms'), { recursive: true }).catch(() => [])
    return found.filter((name) => name.endsWith('disk.qcow2')).map((name) => join(this.folder, 'vms', name))
  }

  async templates(): Promise<TemplateRecord[]> {
    const names = (await readdir(join(this.folder, 'templates'))).filter((name) => /^[0-9a-f]{64}\.qcow2$/.test(name))
    const backings = await Promise.all((await this.disks()).map(async (disk) => (await this.info(disk))['full-backing-filename']))
    return await Promise.all(
      names.map(async (name) => {
        const path = join(this.folder, 'templates', name)
        const info = await this.info(path)
        return {
          sha256: name.slice(0, 64),
          sizeBytes: info['actual-size'],
          virtualSizeBytes: info['virtual-size'],
          usedBy: backings.filter((b) => b === path).length,
        }
      }),
    )
  }

  /** Copies and hashes in one go; a file whose content differs never gets the name (V8). */
  async importTemplate(image: { path: string; sha256: string }, options: VerbOptions): Promise<void> {
    const target = this.templateOf(image.sha256)
    if (
      await stat(target).then(
        () => true,
        () => false,
      )
    )
      return
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
    try {
      await pipeline(createReadStream(image.path), meter, createWriteStream(temporary, { mode: 0o640 }), {
        ...(options.signal && { signal: options.signal }),
      })
      if (hash.digest('hex') !== image.sha256) {
        throw new AppError({ code: 'template-damaged', detail: `The content of the image is not ${image.sha256.slice(0, 12)}….` })
      }
      const file = await open(temporary, 'r')
      await file.sync()
      await file.close()
      await chmod(temporary, 0o440)
      await rename(temporary, target)
    } catch (error) {
      await rm(temporary, { force: true })
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
        throw new AppError({ code: 'storage-full', detail: 'There was no room to import the template.', cause: error })
      throw error
    }
  }
}
