import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { sayCutShort } from './cut-short.ts'
import type { Disk } from './disks.ts'
import { namedHost, sfdiskScript } from './layout.ts'
import { incompleteMark, writeSystem } from './write.ts'

const gib = 2 ** 30
function temporary(t: TestContext): string {
  const here = mkdtempSync(join(tmpdir(), 'fh-write-'))
  t.after(() => rmSync(here, { recursive: true }))
  return here
}
function sparse(path: string, bytes: number): string {
  writeFileSync(path, '')
  truncateSync(path, bytes)
  return path
}

test('real sfdisk: the name of a host changes nothing else of the disk; boot code, places, types and ids stay', async (t) => {
  const path = sparse(join(temporary(t), 'disk'), 4 * gib)
  execFileSync('sfdisk', ['--quiet', path], { input: sfdiskScript({ root: 2048, vms: 1024 }, true) })
  await sayCutShort(path)
  const table = (): string => execFileSync('sfdisk', ['--dump', path], { encoding: 'utf8' })
  const front = (): Buffer => {
    const [sector, file] = [Buffer.alloc(512), openSync(path, 'r')]
    readSync(file, sector, 0, 512, 0)
    closeSync(file)
    return sector
  }
  const before = { table: table(), front: front() }
  assert.match(before.table, /name="freehold-begun"/)
  execFileSync('sfdisk', namedHost({ path }))
  assert.equal(table(), before.table.replace('freehold-begun', 'freehold-root'))
  assert.deepEqual(front(), before.front)
  execFileSync('sfdisk', ['--verify', path], { stdio: 'ignore' })
})

/** In the place of each program: notes what the disks have at its call, which is what a cut leaves, and then does what counts here. */
const program = `#!/bin/sh
name=\${0##*/} mark=no menu=none names=
[ ! -e "$HERE/target/${incompleteMark}" ] || mark=yes
[ ! -e "$HERE/menu" ] || menu=host
for file in "$HERE"/*.name; do [ ! -e "$file" ] || { read -r one < "$file"; names="$names $one"; }; done
printf '%s|%s|%s|%s\\n' "$mark" "$menu" "$names" "$name $*" >> "$HERE/calls"
case "$name $*" in
  lsblk*) echo '{"blockdevices":[]}' ;;
  blkid*) echo 1234-ABCD ;;
  *--part-label*) [ ! -e "$HERE/broken" ] || exit 1; while [ $# -gt 3 ]; do shift; done; echo "$3" > "$1.name" ;;
  sfdisk*) for disk; do :; done; grep -o 'freehold-begun\\|freehold-root' > "$disk.name" ;;
  "umount $HERE/esp") (cd "$HERE/esp" && find . -type f | sort && find . -mindepth 1 -delete) >> "$HERE/esps" ;;
  unsquashfs*) cd "$HERE/target" && mkdir -p usr/share/freehold etc/apt/sources.list.d etc/mdadm && echo > usr/share/freehold/debian.sources ;;
  *update-grub) : > "$HERE/menu" ;;
esac
`
const programs = 'lsblk wipefs sfdisk udevadm mkfs.vfat mkfs.ext4 mdadm mount umount sync unsquashfs blkid chroot'.split(' ')

/** An installation onto so many disks, as its calls saw it. */
async function installed(t: TestContext, disks: number, broken = false) {
  const here = temporary(t)
  mkdirSync(join(here, 'bin'))
  for (const name of programs) {
    writeFileSync(join(here, 'bin', name), program)
    chmodSync(join(here, 'bin', name), 0o755)
  }
  for (const file of ['usr/lib/shim/shimx64.efi.signed', 'usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed']) {
    mkdirSync(join(here, 'live', file, '..'), { recursive: true })
    writeFileSync(join(here, 'live', file), file)
  }
  if (broken) writeFileSync(join(here, 'broken'), '')
  const phases: Record<string, number> = {}
  const calls = () =>
    readFileSync(join(here, 'calls'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const [mark, menu, names = '', call = ''] = line.split('|')
        return { marked: mark === 'yes', menu, names: names.trim().split(' ').filter(Boolean), call }
      })
  const disk = (path: string): Disk => ({
    path,
    bytes: 40 * gib,
    model: '',
    serial: path,
    wwn: '',
    transport: '',
    contents: [],
    inUse: false,
    freehold: 'none',
  })
  const before = { PATH: process.env['PATH'], HERE: process.env['HERE'] }
  Object.assign(process.env, { PATH: `${join(here, 'bin')}:/usr/bin:/bin`, HERE: here })
  try {
    const { recovery, warnings } = await writeSystem(
      {
        disks: ['one', 'two'].slice(0, disks).map((name) => disk(sparse(join(here, name), 1024))),
        squashfs: 'filesystem.squashfs',
        unpackedBytes: 1.5 * gib,
        answers: undefined,
        profile: 'libvirt',
        phase: (name) => (phases[name] = calls().length),
        progress: () => undefined,
      },
      { target: join(here, 'target'), esp: join(here, 'esp'), live: join(here, 'live') },
    )
    assert.match(recovery, /^(?:[A-Z2-9]{4}-){3}[A-Z2-9]{4}$/)
    const names = ['one', 'two'].slice(0, disks).map((name) => readFileSync(join(here, `${name}.name`), 'utf8').trim())
    return { calls: calls(), phases, warnings, names, esps: readFileSync(join(here, 'esps'), 'utf8').trim().split('\n') }
  } finally {
    process.env['PATH'] = before.PATH
    if (before.HERE === undefined) delete process.env['HERE']
    else process.env['HERE'] = before.HERE
  }
}

suite('an installation, cut at any call of a program', () => {
  for (const disks of [1, 2]) {
    test(`onto ${disks}: a disk with the name of a host is a whole host, one without says so; each ESP speaks early`, async (t) => {
      const { calls, names, phases, esps } = await installed(t, disks)
      const copy = calls.findIndex(({ call }) => call.startsWith('unsquashfs'))
      for (const [i, { marked, menu, names: seen, call }] of calls.entries()) {
        const whole = !marked && menu === 'host'
        if (seen.includes('freehold-root')) assert.ok(whole, call)
        // from the copy on by its mark
        if (i >= copy) assert.ok(marked || whole, call)
      }
      assert.deepEqual(names, Array(disks).fill('freehold-root'))
      // synced between the two: the mark may not come back from a journal
      const named = calls.findIndex(({ call }) => call.includes('--part-label'))
      assert.ok(calls.slice(0, named).some(({ call, marked, menu }) => call === 'sync ' && !marked && menu === 'host'))
      // and nothing comes after the names
      assert.deepEqual([...new Set(calls.slice(named).map(({ call }) => call.split(' ')[0]))], ['sfdisk', 'sync'])

      // words and a boot loader are on each ESP before the disk is told to be partitioned
      assert.deepEqual(
        esps,
        Array(disks).fill(['./EFI/BOOT/BOOTX64.EFI', './EFI/BOOT/grubx64.efi', './EFI/debian/grub.cfg']).flat(),
      )
      const early = calls.slice(0, phases['partitioned']).map(({ call }) => call.split(' ')[0])
      assert.equal(early.filter((name) => name === 'umount').length, disks)
      assert.ok(!early.includes('mkfs.ext4') && !early.includes('mdadm'))
    })
  }

  test('a name that cannot be given is a warning: the host is whole, and gives it itself', async (t) => {
    const { names, warnings, calls } = await installed(t, 2, true)
    assert.deepEqual(names, ['freehold-begun', 'freehold-begun'])
    assert.equal(warnings.length, 2)
    for (const warning of warnings) assert.match(warning, /its first start does that/)
    assert.equal(calls.at(-1)?.marked, false)
  })
})
