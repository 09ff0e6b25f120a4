import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { InstallAnswer } from './answers.ts'
import { diskLine, parseDisks, type Disk } from './disks.ts'
import { faultLines, InstallFault, type FaultCode } from './fault.ts'
import { named, needOf, offered, typed } from './guard.ts'

const gib = 2 ** 30
const need = { unpackedBytes: 1.5 * gib }
const disk = (path: string, change: Partial<Disk> = {}): Disk => ({
  path: `/dev/${path}`,
  bytes: 100 * gib,
  model: 'Model',
  serial: `S-${path}`,
  wwn: '',
  transport: 'sata',
  contents: [],
  inUse: false,
  freehold: 'none',
  ...change,
})
const answer = (...disks: InstallAnswer['disks']): InstallAnswer => ({
  disks,
  wipe: true,
  wipeInstalled: false,
  profile: 'libvirt',
  afterwards: 'power-off',
})
const refusedWith = (code: FaultCode) => (error: unknown) => {
  assert.ok(error instanceof InstallFault)
  assert.equal(error.code, code)
  for (const line of faultLines(error)) assert.ok(line.length <= 78, line)
  return true
}

suite('an answer file names the disk exactly, or nothing is written', () => {
  for (const [what, disks, wanted, code] of [
    ['no disk at all', [], [{ serial: 'S-sda' }], 'disk-none'],
    ['another serial', [disk('sda')], [{ serial: 'S-sdb' }], 'disk-not-found'],
    ['never the other one', [disk('sda'), disk('sdb')], [{ serial: 'S-sdc' }], 'disk-not-found'],
    ['serial right, path wrong', [disk('sda')], [{ serial: 'S-sda', path: '/dev/sdb' }], 'disk-not-found'],
    ['two of one serial', [disk('sda', { serial: 'X' }), disk('sdb', { serial: 'X' })], [{ serial: 'X' }], 'disk-ambiguous'],
    ['the same twice', [disk('sda')], [{ serial: 'S-sda' }, { path: '/dev/sda' }], 'disk-ambiguous'],
    ['in use', [disk('sda', { inUse: true })], [{ serial: 'S-sda' }], 'disk-not-found'],
    ['one byte too small', [disk('sda', { bytes: needOf(need) - 1 })], [{ serial: 'S-sda' }], 'disk-too-small'],
    ['installed already', [disk('sda', { freehold: 'host' })], [{ serial: 'S-sda' }], 'disk-installed'],
    ['the mirror’s second is missing', [disk('sda')], [{ serial: 'S-sda' }, { serial: 'S-sdb' }], 'disk-not-found'],
  ] as const) {
    test(`refused: ${what}`, () => {
      assert.throws(() => named(disks, answer(...wanted), need), refusedWith(code))
    })
  }

  test('the one that is named, also among others, and two for a mirror', () => {
    const disks = [disk('sda'), disk('sdb', { bytes: needOf(need) })]
    assert.deepEqual(named(disks, answer({ serial: 'S-sdb' }), need), [disks[1]])
    assert.deepEqual(named(disks, answer({ serial: 'S-sdb' }, { path: '/dev/sda' }), need), [disks[1], disks[0]])
    // what was only begun is no host: the same answer file goes on, alone or as half of a mirror
    assert.equal(named([disk('sda', { freehold: 'begun' })], answer({ serial: 'S-sda' }), need).length, 1)
    const half = [disk('sda', { freehold: 'begun' }), disk('sdb', { freehold: 'host' })]
    assert.throws(() => named(half, answer({ serial: 'S-sda' }, { serial: 'S-sdb' }), need), refusedWith('disk-installed'))
    const again = { ...answer({ serial: 'S-sda' }), wipeInstalled: true }
    assert.equal(named([disk('sda', { freehold: 'host' })], again, need).length, 1)
  })
})

suite('by hand', () => {
  test('only free and large disks are offered; where there is none, the screen lists what is there', () => {
    const [small, used, good] = [disk('sda', { bytes: gib }), disk('sdb', { inUse: true }), disk('sdc')]
    assert.deepEqual(offered([small, used, good], need), [good])
    assert.throws(() => offered([small], need), refusedWith('disk-too-small'))
    assert.throws(() => offered([used], need), refusedWith('disk-none'))
    assert.throws(() => offered([], need), refusedWith('disk-none'))
  })

  test('a name is typed; a number, yes, nothing, three names or the same twice is none', () => {
    const disks = [disk('sda'), disk('sdb'), disk('nvme0n1')]
    assert.deepEqual(typed(' sda \n', disks), [disks[0]])
    assert.deepEqual(typed('/dev/nvme0n1, sdb', disks), [disks[2], disks[1]])
    for (const text of ['', '1', 'yes', 'sd', 'sda sda', 'sda sdb nvme0n1', 'sda1', 'SDA', 'sdz']) {
      assert.throws(() => typed(text, disks), refusedWith('not-confirmed'), text)
    }
  })
})

test('disks of lsblk: the medium is in use, optical drives and memory are none, ours is known by its partition', () => {
  const part = (path: string, more: object) => ({ path, size: gib, type: 'part', ro: false, ...more })
  const json = JSON.stringify({
    blockdevices: [
      { path: '/dev/zram0', size: gib, type: 'disk', ro: false },
      { path: '/dev/sr0', size: gib, type: 'rom', ro: false },
      {
        path: '/dev/sda',
        size: 8 * gib,
        type: 'disk',
        ro: false,
        tran: 'usb',
        children: [part('/dev/sda1', { mountpoints: ['/run/live/medium'] })],
      },
      {
        path: '/dev/vda',
        size: 20 * gib,
        type: 'disk',
        ro: false,
        model: ' QEMU ',
        serial: 'one',
        children: [
          part('/dev/vda3', { partlabel: 'freehold-root', fstype: 'ext4', label: 'freehold-root', mountpoints: [null] }),
        ],
      },
      { path: '/dev/vdb', size: 0, type: 'disk', ro: false },
      { path: '/dev/vdc', size: gib, type: 'disk', ro: true },
    ],
  })
  const [medium, ours, ...more] = parseDisks(json)
  assert.deepEqual(more, [])
  assert.equal(medium?.inUse, true)
  assert.deepEqual(
    [ours?.freehold, ours?.inUse, ours?.model, ours?.contents],
    ['host', false, 'QEMU', ['ext4 "freehold-root" 1.1 GB']],
  )
})

test('an installation that was not finished is told apart from a host, in the list, too; one name of a host is enough', () => {
  const of = (...names: string[]) => {
    const children = names.map((partlabel, i) => ({ path: `/dev/vda${i + 1}`, size: gib, type: 'part', ro: false, partlabel }))
    const [found] = parseDisks(
      JSON.stringify({ blockdevices: [{ path: '/dev/vda', size: 20 * gib, type: 'disk', ro: false, children }] }),
    )
    assert.ok(found)
    return found
  }
  for (const [names, freehold, words] of [
    [['freehold-bios', 'freehold-esp', 'freehold-begun', 'freehold-vms'], 'begun', /an installation that was not finished$/],
    [['freehold-bios', 'freehold-esp', 'freehold-root', 'freehold-vms'], 'host', /holds Freehold already$/],
    [['freehold-begun', 'freehold-root'], 'host', /holds Freehold already$/],
    [['freehold-bios', 'freehold-esp'], 'none', /empty$/],
    [['data'], 'none', /empty$/],
  ] as const) {
    assert.equal(of(...names).freehold, freehold, names.join())
    assert.match(diskLine(of(...names)), words)
  }
})

test('a mirror of an earlier installation may be written anew; an array of others is in use', () => {
  const node = (path: string, type: string, more: object = {}) => ({ path, type, size: 20 * gib, ro: false, ...more })
  const members = (disk: string, partlabel: string) =>
    node(disk, 'disk', {
      children: [node(`${disk}3`, 'part', { partlabel, fstype: 'linux_raid_member', children: [node('/dev/md127', 'raid1')] })],
    })
  const json = (partlabel: string) =>
    JSON.stringify({ blockdevices: [members('/dev/vda', partlabel), members('/dev/vdb', partlabel)] })
  const ours = parseDisks(json('freehold-root'))
  assert.deepEqual(
    ours.map((disk) => [disk.inUse, disk.freehold]),
    [
      [false, 'host'],
      [false, 'host'],
    ],
  )
  // and of one that was cut short
  for (const name of ['freehold-root', 'freehold-begun']) {
    assert.equal(parseDisks(json(name))[1]?.inUse, false)
  }
  const others = parseDisks(json('data'))
  assert.deepEqual(
    others.map(({ inUse }) => inUse),
    [true, true],
  )
  // an array of whole disks, and one of ours that is mounted
  const whole = JSON.stringify({ blockdevices: [node('/dev/vda', 'disk', { children: [node('/dev/md0', 'raid1')] })] })
  assert.equal(parseDisks(whole)[0]?.inUse, true)
  assert.equal(parseDisks(json('freehold-root').replaceAll('"raid1"', '"raid1","mountpoints":["/target"]'))[0]?.inUse, true)
})
