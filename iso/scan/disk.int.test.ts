import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { findOnDisk, type DiskFinds } from './disk.ts'
import { needlesOf } from './needles.ts'

const key = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'
const needles = needlesOf([
  { name: 'deployer key', value: key },
  { name: 'code', value: '7KQ3ZD' },
])
/** First sector of the third partition. */
const rootStart = 24_576

suite('a look through a disk', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'fh-disk-test-'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** A disk as the installer lays it out, in small, with these files; `gone` are deleted again. */
  function disk(files: Record<string, string | Buffer>, gone: readonly string[] = []): DiskFinds {
    const file = join(folder, 'disk.raw')
    rmSync(file, { force: true })
    execFileSync('truncate', ['-s', '64M', file])
    execFileSync('sfdisk', ['--quiet', file], {
      input: 'label: gpt\nstart=2048,size=2048\nstart=4096,size=20480\nstart=24576,size=100000\n',
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    execFileSync('mkfs.ext4', ['-q', '-F', '-E', `offset=${rootStart * 512}`, file, '50000k'], { stdio: 'ignore' })
    const system = `${file}?offset=${rootStart * 512}`
    const debugfs = (command: string): Buffer =>
      execFileSync('debugfs', ['-w', '-R', command, system], { stdio: ['ignore', 'pipe', 'ignore'] })
    for (const path of ['/etc', '/var', '/var/log', '/var/lib', '/var/lib/freehold']) debugfs(`mkdir ${path}`)
    for (const [path, content] of Object.entries(files)) {
      writeFileSync(join(folder, 'content'), content)
      debugfs(`write ${join(folder, 'content')} ${path}`)
    }
    for (const path of gone) debugfs(`rm ${path}`)
    mkdirSync(join(folder, 'work'), { recursive: true })
    return findOnDisk({ file, format: 'raw' }, needles, join(folder, 'work'))
  }
  const names = ({ finds }: DiskFinds): string[] =>
    finds.map(({ secret, where }) => `${secret}: ${where.replace(/ at \d+$/, '')}`)

  test('a clean one has no finds, and it was looked through', () => {
    const looked = disk({ '/etc/hostname': 'freehold\n', '/var/log/boot.gz': gzipSync(Buffer.from('nothing')) })
    assert.deepEqual(names(looked), [])
    assert.ok(looked.rawBytes > 100_000, String(looked.rawBytes))
    assert.equal(looked.files, 2)
  })
  test('a key in a file, and one in a file that was deleted', () => {
    assert.ok(names(disk({ '/var/lib/freehold/deployer.key': `${key}\n` })).includes('deployer key: disk'))
    assert.ok(names(disk({ '/var/lib/freehold/gone': `${key}\n` }, ['/var/lib/freehold/gone'])).includes('deployer key: disk'))
  })
  test('a code in a log that was compressed by gzip or zstd', () => {
    // as long as what rotates, so that no plain piece of it is left
    const log = Buffer.from(Array.from({ length: 400 }, (_, i) => `line ${i} code=7KQ3ZD of the screen 7KQ3ZD\n`).join(''))
    for (const [name, content] of [
      ['/var/log/a.1.gz', gzipSync(log)],
      ['/var/log/a.1.zst', zstdCompressSync(log)],
    ] as const) {
      assert.ok(names(disk({ [name]: content })).includes(`code: ${name.slice('/var/'.length)}, unpacked`), name)
    }
  })
  test('what says that it is compressed and cannot be unpacked is not taken for clean', () => {
    assert.throws(() => disk({ '/var/log/a.gz': Buffer.concat([gzipSync(Buffer.from('x'.repeat(999))).subarray(0, 15)]) }))
  })
})
