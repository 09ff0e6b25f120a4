import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { arraysOn } from './arrays.ts'

test('arrays on the chosen disks and their members, started or not; other disks and other holders are left alone', (t) => {
  const here = mkdtempSync(join(tmpdir(), 'fh-sys-'))
  t.after(() => rmSync(here, { recursive: true }))
  const sys = join(here, 'class')
  mkdirSync(sys)
  const holds: Record<string, string[]> = {
    'vda/vda3': ['md127'],
    'vda/vda4': ['md126'],
    'vdb/vdb3': ['md127'],
    'vdb/vdb4': ['dm-0'],
    'vdc/vdc1': ['md9'],
    vdd: ['md8'],
  }
  for (const [place, holders] of Object.entries(holds)) {
    const folder = join(here, place)
    mkdirSync(join(folder, 'holders'), { recursive: true })
    for (const holder of holders) writeFileSync(join(folder, 'holders', holder), '')
    if (place.includes('/')) writeFileSync(join(folder, 'partition'), '3\n')
    const name = place.split('/').at(-1) ?? ''
    symlinkSync(folder, join(sys, name))
  }
  for (const disk of ['vda', 'vdb', 'vdc']) symlinkSync(join(here, disk), join(sys, disk))
  // as the kernel has it: an array has a folder md, also one that was never started
  for (const array of ['md127', 'md126', 'md9', 'md8']) mkdirSync(join(sys, array, 'md'), { recursive: true })
  mkdirSync(join(sys, 'dm-0'))

  const on = (...disks: string[]) =>
    arraysOn(
      disks.map((disk) => ({ path: `/dev/${disk}` })),
      sys,
    )
  assert.deepEqual(on('vda', 'vdb'), { arrays: ['/dev/md127', '/dev/md126'], members: ['/dev/vda3', '/dev/vda4', '/dev/vdb3'] })
  assert.deepEqual(on('vdb'), { arrays: ['/dev/md127'], members: ['/dev/vdb3'] })
  assert.deepEqual(on('vdd'), { arrays: ['/dev/md8'], members: ['/dev/vdd'] })
  assert.deepEqual(on('vdz'), { arrays: [], members: [] })
})
