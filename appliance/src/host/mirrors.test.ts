import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseMirrors, readMirrors } from './mirrors.ts'

// as Debian 13's kernel 6.12 writes it
const degraded = `Personalities : [raid1] [raid0]
md126 : active raid1 vda4[0]
      9420800 blocks super 1.2 [2/1] [U_]
      bitmap: 1/1 pages [4KB], 65536KB chunk

md127 : active raid1 vdb3[2] vda3[0]
      4189184 blocks super 1.2 [2/1] [U_]
      [==>..................]  recovery = 12.6% (528640/4189184) finish=0.6min speed=88106K/sec

md9 : active raid0 vdd[1] vdc[0]
      8378368 blocks super 1.2 512k chunks

unused devices: <none>
`

describe('mirrors of disks', () => {
  test('what has lost a disk is told, with how far its rebuild is; what never had a copy is none', () => {
    assert.deepEqual(parseMirrors(degraded), [
      { name: 'md126', disks: 2, working: 1, rebuilt: undefined },
      { name: 'md127', disks: 2, working: 1, rebuilt: 12 },
    ])
  })
  test('one that is whole', () => {
    const whole = 'Personalities : [raid1]\nmd127 : active raid1 vdb3[1] vda3[0]\n      4189184 blocks super 1.2 [2/2] [UU]\n'
    assert.deepEqual(parseMirrors(whole), [{ name: 'md127', disks: 2, working: 2, rebuilt: undefined }])
  })
  test('one that only reads, or waits for its rebuild', () => {
    const waiting =
      'md127 : active (auto-read-only) raid1 vda3[0] vdb3[1](F)\n      4189184 blocks super 1.2 [2/1] [U_]\n      \tresync=PENDING\n'
    assert.deepEqual(parseMirrors(waiting), [{ name: 'md127', disks: 2, working: 1, rebuilt: undefined }])
  })
  test('a machine without md has none', async () => {
    assert.deepEqual(await readMirrors('/nowhere/mdstat'), [])
    assert.deepEqual(parseMirrors('Personalities : \nunused devices: <none>\n'), [])
  })
  test('no text makes it throw', () => {
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseMirrors(text))))
  })
})
