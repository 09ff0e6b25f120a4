import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { findIn, type Find, type Needle } from './needles.ts'

const chunkBytes = 16 * 2 ** 20

/** A disk image taken out of its machine, which is off. */
export interface DiskImage {
  file: string
  format: 'raw' | 'qcow2'
}

/** What a look through a disk found, and how much it looked through: a clean disk of no bytes is no clean disk. */
export interface DiskFinds {
  finds: Find[]
  /** Bytes that were ever written, free space among them. */
  rawBytes: number
  /** Files of the file system that were read. */
  files: number
  /** Entries of the journal. */
  journalEntries: number
}

/**
 * Looks through a disk, its free space included: every block that was ever written, as it is; then the file system of partition
 * `root` (ext4) by folder: files that are compressed are unpacked, and the journal, which compresses long fields, is read by its own
 * tool. Needs qemu-img, sfdisk, e2fsprogs, journalctl, xz. `folder` is used for copies and emptied.
 * @throws Error where a tool fails or a compressed file cannot be unpacked.
 */
export function findOnDisk(image: DiskImage, needles: readonly Needle[], folder: string, root = 3): DiskFinds {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const raw = join(folder, 'disk.raw')
  try {
    tool('qemu-img', ['convert', '-f', image.format, '-O', 'raw', image.file, raw])
    const { finds, bytes } = findRaw(raw, needles)
    const files = filesOf(raw, root, folder)
    const inFiles = files.flatMap(({ path, name }) => {
      const content = unpacked(path)
      return content === undefined ? [] : findIn(content, needles, `${name}, unpacked`)
    })
    const journal = journalOf(join(folder, 'files/log/journal'))
    return {
      finds: [...finds, ...inFiles, ...findIn(journal, needles, 'journal')],
      rawBytes: bytes,
      files: files.length,
      journalEntries: journal.toString('latin1').split('\n').length - 1,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function tool(program: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}): Buffer {
  return execFileSync(program, args, { timeout: 900_000, maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'pipe'], ...options })
}

/** Each needle at its first place in each 16 MiB of what is not a hole. */
function findRaw(raw: string, needles: readonly Needle[]): { finds: Find[]; bytes: number } {
  const overlap = Math.max(...needles.map((needle) => needle.bytes.length)) - 1
  const chunk = Buffer.alloc(chunkBytes + overlap)
  const extents = JSON.parse(tool('qemu-img', ['map', '--output=json', '-f', 'raw', raw]).toString()) as {
    start: number
    length: number
    data: boolean
  }[]
  const finds: Find[] = []
  let bytes = 0
  const file = openSync(raw, 'r')
  try {
    for (const { start, length, data } of extents) {
      if (!data) continue
      bytes += length
      for (let at = start; at < start + length; at += chunkBytes) {
        const read = readSync(file, chunk, 0, Math.min(chunk.length, start + length - at), at)
        finds.push(...findIn(chunk.subarray(0, read), needles, 'disk', at))
      }
    }
  } finally {
    closeSync(file)
  }
  return { finds, bytes }
}

/** The folders that a running host writes, copied out of the file system without mounting it. */
function filesOf(raw: string, root: number, folder: string): { path: string; name: string }[] {
  const { partitiontable } = JSON.parse(tool('sfdisk', ['--json', raw]).toString()) as {
    partitiontable: { sectorsize?: number; partitions: { start: number; size: number }[] }
  }
  const partition = partitiontable.partitions[root - 1]
  if (partition === undefined) throw new Error(`the disk has no partition ${root}`)
  const sector = partitiontable.sectorsize ?? 512
  const system = `${raw}?offset=${partition.start * sector}`
  // what the journal of ext4 holds is put where it belongs; 1: it was
  const checked = spawnSync('e2fsck', ['-p', '-f', system], { timeout: 900_000 })
  if (checked.status === null || checked.status > 1)
    throw new Error(`e2fsck: ${checked.stdout.toString()}${checked.stderr.toString()}`)
  const out = join(folder, 'files')
  mkdirSync(out)
  for (const path of ['/etc', '/root', '/home', '/tmp', '/boot/grub']) tool('debugfs', ['-R', `rdump ${path} ${out}`, system])
  // VMs' disks and images that came with the medium are large, and their blocks were looked through
  const below = tool('debugfs', ['-R', 'ls -p /var', system]).toString()
  for (const [, name] of below.matchAll(/^\/\d+\/\d+\/\d+\/\d+\/([^/.][^/]*)\/\//gm)) {
    if (name === 'lib') continue
    tool('debugfs', ['-R', `rdump /var/${name} ${out}`, system])
  }
  mkdirSync(join(out, 'lib'))
  const library = tool('debugfs', ['-R', 'ls -p /var/lib', system]).toString()
  for (const [, name] of library.matchAll(/^\/\d+\/\d+\/\d+\/\d+\/([^/.][^/]*)\/\//gm)) {
    if (name !== 'freehold-vm') tool('debugfs', ['-R', `rdump /var/lib/${name} ${join(out, 'lib')}`, system])
  }
  return readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return { path, name: path.slice(out.length + 1) }
    })
}

/** What a compressed file holds; undefined for one that is not compressed, whose bytes were seen on the disk. */
function unpacked(path: string): Buffer | undefined {
  const bytes = readFileSync(path)
  const begins = (...magic: number[]): boolean => magic.every((byte, i) => bytes[i] === byte)
  if (begins(0x1f, 0x8b, 8)) return gunzipSync(bytes)
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return zstdDecompressSync(bytes)
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a)) return tool('xz', ['--decompress', '--stdout', path])
  if (path.endsWith('.br')) return brotliDecompressSync(bytes)
  return undefined
}

/** All entries of the machine's journal with all their fields; no entry where there is no journal. */
function journalOf(folder: string): Buffer {
  try {
    readdirSync(folder)
  } catch {
    return Buffer.alloc(0)
  }
  return tool('journalctl', ['--directory', folder, '--output', 'json', '--all', '--no-pager', '--quiet'])
}
