import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createHash } from 'node:crypto'
import { parseAnswers } from './answers.ts'
import { InstallFault } from './fault.ts'
import { layoutOf, partitionOf, sfdiskScript } from './layout.ts'
import { verifyPayload } from './payload.ts'

const refusal = (text: string): InstallFault => {
  try {
    parseAnswers(text, 'answers.yaml')
  } catch (error) {
    assert.ok(error instanceof InstallFault)
    return error
  }
  throw new Error(`accepted: ${text}`)
}

test('an answer file with an unknown key, a wrong value or no leave to wipe is refused by file and line', () => {
  const wrong = refusal('version: 1\ninstall:\n  disks:\n    - serial: A\n  wipe: yes please\n  colour: red\n')
  assert.equal(wrong.code, 'answers-wrong')
  assert.ok(
    wrong.seen.some((line) => line.startsWith('answers.yaml:5: install.wipe: write wipe: true')),
    wrong.seen.join('\n'),
  )
  assert.ok(
    wrong.seen.some((line) => line.startsWith('answers.yaml:6: install.colour: unknown key')),
    wrong.seen.join('\n'),
  )
  const zfs = refusal('version: 1\ninstall:\n  disks: [{ serial: A }]\n  filesystem: zfs\n  wipe: true\n').seen.join('\n')
  assert.match(zfs, /^answers\.yaml:4: install\.filesystem: unknown key: the file system is always ext4, .*ZFS is not offered: /)
  for (const text of [
    '',
    'version: 1\n',
    'install: {}\n',
    'install:\n  disks: []\n  wipe: true\n',
    'install:\n  disks: [{}]\n  wipe: true\n',
  ])
    assert.equal(refusal(text).code, 'answers-wrong', text)
  assert.equal(refusal('install: [\n').code, 'answers-unreadable')
})

test('what the first boot applies is checked before the disk is touched', () => {
  const wrong = refusal('install:\n  disks: [{ serial: A }]\n  wipe: true\nversion: 1\nmode: installed\norigin: 7\nnonsense: 1\n')
  assert.equal(wrong.code, 'answers-wrong')
  assert.ok(
    wrong.seen.some((line) => line.includes('nonsense')),
    wrong.seen.join('\n'),
  )
})

test('an answer file of the disk alone leaves the rest to the wizard', () => {
  const { install, rest } = parseAnswers(
    'version: 1\ninstall:\n  disks: [{ serial: A }, { wwn: B }]\n  wipe: true\n',
    'answers.yaml',
  )
  assert.equal(rest, undefined)
  assert.deepEqual(install.disks, [{ serial: 'A' }, { wwn: 'B' }])
  assert.equal(install.afterwards, 'power-off')
})

test('a medium with a flipped byte, a cut file, a changed list or another key is refused, the file named', async () => {
  const medium = await mkdtemp(join(tmpdir(), 'freehold-medium-'))
  try {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const system = Buffer.from('the system'.repeat(1000))
    await mkdir(join(medium, 'live'))
    await mkdir(join(medium, 'freehold'))
    const put = (file: string, data: string | Buffer) => writeFile(join(medium, file), data)
    const sums = `${createHash('sha256').update(system).digest('hex')}  live/filesystem.squashfs\n`
    const whole = async () => {
      await put('live/filesystem.squashfs', system)
      await put('freehold/SHA256SUMS', sums)
      await put('freehold/SHA256SUMS.sig', sign(null, Buffer.from(sums), privateKey))
      await put('key.pem', publicKey.export({ type: 'spki', format: 'pem' }))
    }
    const check = () => verifyPayload(medium, join(medium, 'key.pem'), () => undefined)
    await whole()
    await check()
    const flipped = Buffer.from(system)
    flipped[5000] = (flipped[5000] ?? 0) ^ 1
    const empty = ''
    for (const [file, data] of [
      ['live/filesystem.squashfs', flipped],
      ['live/filesystem.squashfs', system.subarray(0, -1)],
      ['freehold/SHA256SUMS', sums.replace(/^./, (c) => (c === '0' ? '1' : '0'))],
      ['freehold/SHA256SUMS', empty],
      ['key.pem', generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })],
    ] as const) {
      await whole()
      await put(file, data)
      await assert.rejects(check(), { code: 'medium-damaged' }, file)
    }
    await whole()
    await put('freehold/SHA256SUMS', empty)
    await put('freehold/SHA256SUMS.sig', sign(null, Buffer.from(empty), privateKey))
    await assert.rejects(check(), { code: 'medium-damaged' })
    await whole()
    await rm(join(medium, 'live/filesystem.squashfs'))
    await assert.rejects(check(), { code: 'medium-damaged' })
  } finally {
    await rm(medium, { recursive: true })
  }
})

test('VM disks get a file system of their own where there is room, and the system always what it needs', () => {
  const gib = 2 ** 30
  const unpacked = 1.6 * gib
  for (const size of [8, 10, 16, 20, 24, 28, 40, 120, 500, 4000]) {
    const { root, vms } = layoutOf(size * gib, unpacked)
    // what setup asks for, with the inodes' share of a file system taken off
    assert.ok(root * 2 ** 20 * 0.92 >= unpacked + 4 * gib, `${size}`)
    assert.ok((root + vms + 515) * 2 ** 20 <= size * gib, `${size}`)
    assert.ok(vms === 0 || vms * 2 ** 20 >= 16 * gib, `${size}`)
    assert.equal(sfdiskScript({ root, vms }, false).includes('freehold-vms'), vms > 0)
    assert.doesNotMatch(sfdiskScript({ root, vms }, true), /freehold-root/, 'a host by its name alone')
  }
  assert.equal(layoutOf(20 * gib, unpacked).vms, 0)
  assert.equal(layoutOf(4000 * gib, unpacked).root, 32 * 1024)
  assert.equal(partitionOf({ path: '/dev/nvme0n1' }, 3), '/dev/nvme0n1p3')
  assert.equal(partitionOf({ path: '/dev/sda' }, 3), '/dev/sda3')
})
