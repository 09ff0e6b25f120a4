import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { builtTemplate, type BuiltTemplate } from './built-template.ts'

const run = promisify(execFile)
const sector = 512
const mebibyte = 1 << 20

let template: BuiltTemplate
let folder: string
let raw: string
let head: Buffer
before(async () => {
  template = await builtTemplate()
  folder = await mkdtemp(join(tmpdir(), 'freehold-image-'))
  raw = join(folder, 'disk.raw')
  await run('qemu-img', ['convert', '-O', 'raw', template.image, raw], { timeout: 120_000 })
  const file = await open(raw)
  head = (await file.read(Buffer.alloc(16 * mebibyte), 0, 16 * mebibyte, 0)).buffer
  await file.close()
})
after(() => rm(folder, { recursive: true, force: true }))

test('is named by the SHA-256 of its content', async () => {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(template.image)) hash.update(chunk as Buffer)
  assert.equal(hash.digest('hex'), template.sha256)
  assert.equal(basename(template.image), `${template.sha256}.qcow2`)
})

test('has no backing file and 1–2 GiB of disk', async () => {
  const { stdout } = await run('qemu-img', ['info', '--output=json', template.image], { timeout: 10_000 })
  const info = JSON.parse(stdout) as { 'virtual-size': number; 'backing-filename'?: string }
  assert.equal(info['backing-filename'], undefined)
  assert.ok(info['virtual-size'] <= 2048 * mebibyte, String(info['virtual-size']))
})

test('boots by BIOS: boot sector names the sector of core.img, which names the next', () => {
  assert.equal(head.readUInt16LE(510), 0xaa55)
  assert.equal(head.readBigUInt64LE(0x5c), 2048n)
  assert.equal(head.readBigUInt64LE(2048 * sector + 0x1f4), 2049n)
  assert.notEqual(head.readUInt32LE(2049 * sector), 0)
})

test('has its partitions in order: BIOS boot, EFI system, root last', () => {
  assert.equal(head.toString('latin1', sector, sector + 8), 'EFI PART')
  const names = [0, 1, 2, 3].map((i) => {
    const entry = head.subarray(2 * sector + i * 128, 2 * sector + (i + 1) * 128)
    return entry.toString('utf16le', 56).replace(/\0+$/, '')
  })
  assert.deepEqual(names, ['bios', 'esp', 'root', ''])
})

test('boots by UEFI: the removable-media path holds a PE program', async () => {
  const efi = join(folder, 'bootx64.efi')
  await run('mcopy', ['-i', `${raw}@@2M`, '::/EFI/BOOT/BOOTX64.EFI', efi], { timeout: 10_000 })
  const file = await open(efi)
  const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0)
  await file.close()
  assert.equal(buffer.toString('latin1'), 'MZ')
})

test('has a clean root file system labelled root, with what GRUB asks for', async () => {
  const at = `${raw}?offset=${16 * mebibyte}`
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
  await run('e2fsck', ['-fn', at], { timeout: 120_000, env })
  const { stdout } = await run('debugfs', ['-R', 'stats -h', at], { timeout: 30_000, env })
  assert.match(stdout, /^Filesystem volume name:\s+root$/m)
  assert.doesNotMatch(stdout, /metadata_csum_seed|orphan_file/)
  for (const file of ['/vmlinuz', '/initrd.img', '/boot/grub/grub.cfg']) {
    const { stdout: stat } = await run('debugfs', ['-R', `stat ${file}`, at], { timeout: 30_000, env })
    assert.match(stat, /^Inode:/, file)
  }
})
