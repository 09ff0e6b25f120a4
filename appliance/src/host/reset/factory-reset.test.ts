import assert from 'node:assert/strict'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { factoryReset, resetMark } from './factory-reset.ts'

let root: string
const stays = [
  'etc/freehold/recovery',
  'etc/freehold/grub-password',
  'etc/hosts',
  'opt/freehold/bin/node',
  'etc/systemd/network/50-freehold.network',
]
const goes = [
  'etc/freehold/freehold.yaml',
  'etc/freehold/secrets/provisioner.key',
  'var/lib/freehold/freehold.db',
  'var/lib/freehold/tls/first-boot.pem',
  'var/lib/freehold-vm/pool/one.qcow2',
  'var/lib/freehold-hostd/state.json',
  'var/lib/freehold-update/last.json',
  'etc/systemd/network/20-uplink.network',
  'var/log/journal/abc/system.journal',
]

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fh-reset-'))
  for (const file of [...stays, ...goes]) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), file)
  }
  writeFileSync(join(root, 'etc/machine-id'), `${'a'.repeat(32)}\n`)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const world = () => globSync('**/*', { cwd: root }).sort()

function assertForgotten(): void {
  for (const file of goes) assert.ok(!existsSync(join(root, file)), file)
  for (const file of stays) assert.equal(readFileSync(join(root, file), 'utf8'), file)
  assert.equal(readFileSync(join(root, 'etc/machine-id'), 'utf8'), 'uninitialized\n')
  assert.ok(!existsSync(join(root, resetMark)))
}

test('settings, keys, store and disks are gone; the recovery secret and the system are not', async () => {
  await factoryReset(root, () => undefined)
  assertForgotten()
})

test('cut after any folder, the mark is there, and the same again ends in the same world', async () => {
  const wanted = async (): Promise<string[]> => {
    await factoryReset(root, () => undefined)
    return world()
  }
  for (let cutAfter = 1; cutAfter <= 4; cutAfter++) {
    let told = 0
    const cut = factoryReset(root, () => {
      if (++told === cutAfter) throw new Error('cut')
    })
    await assert.rejects(cut, /cut/)
    assert.ok(existsSync(join(root, resetMark)))
    const first = await wanted()
    assertForgotten()
    assert.deepEqual(await wanted(), first)
    for (const file of goes) {
      mkdirSync(dirname(join(root, file)), { recursive: true })
      writeFileSync(join(root, file), file)
    }
  }
})
