import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { cutShortMenu } from './installer/cut-short.ts'

// The script itself, in a folder in the place of a machine: two disks, whose ESPs are folders that `mount` copies. Debian's programs
// and a real mirror: mirror.vm.test.ts.
const parts = ['debian/shimx64.efi', 'debian/grubx64.efi', 'debian/grub.cfg', 'BOOT/BOOTX64.EFI', 'BOOT/grubx64.efi']

const programs: Record<string, string> = {
  findmnt: 'echo "${ROOT:-/dev/md127}"',
  lsblk: `case " $* " in
  *" --inverse "*) printf '/dev/md127 raid1\\n/dev/a3 part\\n/dev/a disk\\n/dev/b3 part\\n/dev/b disk\\n' ;;
  *PARTLABEL*) for disk; do :; done; printf 'freehold-esp 2\\n'; printf '%s 3\\n7\\n' "$(cat "$HERE/name/\${disk#/dev/}")" ;;
  *PARTTYPE*) for disk; do :; done; printf '%s1 21686148-6449-6e6f-744e-656564454649\\n%s2 c12a7328-f81f-11d2-ba4b-00a0c93ec93b\\n' "$disk" "$disk" ;;
esac`,
  head: 'for file; do :; done; case $file in /dev/*) cat "$HERE/front/${file#/dev/}" ;; *) exec /usr/bin/head "$@" ;; esac',
  blkid: 'for file; do :; done; [ -d "$HERE/esp/${file#/dev/}" ] && echo vfat',
  'mkfs.vfat': 'for file; do :; done; mkdir "$HERE/esp/${file#/dev/}"; echo "mkfs $file" >> "$HERE/told"',
  mount: '[ ! -e "$HERE/broken$3" ] || exit 32; cp -a "$HERE/esp/${3#/dev/}/." "$4"; echo "${3#/dev/}" > "$HERE/mounted"',
  umount:
    '[ -e "$HERE/mounted" ] || exit 1; cp -a "$1/." "$HERE/esp/$(cat "$HERE/mounted")"; rm -r "$HERE/mounted"; find "$1" -mindepth 1 -delete',
  sync: ':',
  sfdisk: `echo "sfdisk $*" >> "$HERE/told"
while [ $# -gt 3 ]; do shift; done
[ "$2" = 3 ] && echo "$3" > "$HERE/name/\${1#/dev/}"`,
  'grub-install': `echo "grub-install $*" >> "$HERE/told"
case " $* " in *" --target=i386-pc "*) for disk; do :; done; echo GRUB > "$HERE/front/\${disk#/dev/}"; exit ;; esac
for word; do case $word in --efi-directory=*) at=\${word#*=} ;; esac; done
mkdir -p "$at/EFI/debian" "$at/EFI/BOOT"
cp "$HERE/shim" "$at/EFI/debian/shimx64.efi"; cp "$HERE/shim" "$at/EFI/BOOT/BOOTX64.EFI"
cp "$HERE/signed" "$at/EFI/debian/grubx64.efi"; cp "$HERE/signed" "$at/EFI/BOOT/grubx64.efi"
echo search > "$at/EFI/debian/grub.cfg"`,
}

/** A host whose first disk was installed; what the second has is each test's. */
function host(t: TestContext) {
  const here = mkdtempSync(join(tmpdir(), 'fh-boot-loaders-'))
  t.after(() => rmSync(here, { recursive: true }))
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(here, path)), { recursive: true })
    writeFileSync(join(here, path), text)
  }
  const read = (path: string): string | undefined =>
    existsSync(join(here, path)) ? readFileSync(join(here, path), 'utf8') : undefined
  for (const [name, text] of Object.entries(programs)) {
    write(`bin/${name}`, `#!/bin/sh\n${text}\n`)
    chmodSync(join(here, 'bin', name), 0o755)
  }
  write('recovery', 'scrypt\n')
  write('shim', 'shim of today\n')
  write('signed', 'grub of today\0/EFI/debian\0\n')
  const fill = (disk: string): void => {
    for (const part of parts)
      write(
        `esp/${disk}2/EFI/${part}`,
        /shim|BOOTX/.test(part) ? 'shim of today\n' : part.endsWith('cfg') ? 'search\n' : 'grub of today\0/EFI/debian\0\n',
      )
    write(`front/${disk}`, 'GRUB')
    write(`name/${disk}`, 'freehold-root\n')
  }
  fill('a')
  fill('b')
  const script = readFileSync(join(import.meta.dirname, 'config/includes/usr/lib/freehold/boot-loaders'), 'utf8')
    .replaceAll('/etc/freehold/recovery', join(here, 'recovery'))
    .replaceAll('/etc/freehold/install-incomplete', join(here, 'install-incomplete'))
    .replaceAll('/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed', join(here, 'signed'))
    .replaceAll('/usr/lib/shim/shimx64.efi.signed', join(here, 'shim'))
    .replaceAll('/run/freehold-esp', join(here, 'at'))
  const run = (env: Record<string, string> = {}) =>
    spawnSync('/bin/sh', ['-c', script], {
      encoding: 'utf8',
      env: { PATH: `${join(here, 'bin')}:/usr/bin:/bin`, HERE: here, ...env },
      timeout: 60_000,
    })
  return {
    here,
    write,
    read,
    run,
    remove: (path: string) => rmSync(join(here, path), { recursive: true }),
    whole: () =>
      ['a', 'b'].every((disk) => parts.every((part) => read(`esp/${disk}2/EFI/${part}`) === read(`esp/a2/EFI/${part}`))),
  }
}

suite('boot loaders of every disk', () => {
  test('nothing is written: on a medium, where the root is no disk, where all is as it should be', (t) => {
    for (const change of ['medium', 'overlay', 'equal']) {
      const { run, read, remove, whole } = host(t)
      if (change !== 'equal') remove('esp/b2/EFI/BOOT/BOOTX64.EFI')
      if (change === 'medium') remove('recovery')
      const { status, stderr } = run(change === 'overlay' ? { ROOT: 'overlay' } : {})
      assert.equal(status, 0, stderr)
      assert.equal(read('told'), undefined)
      assert.equal(whole(), change === 'equal')
    }
  })

  for (const [what, damage] of [
    ['a file is missing', 'remove'],
    ['a boot loader is of before', 'old'],
  ] as const) {
    test(`the second disk’s ESP is filled when ${what}, and no other is touched`, (t) => {
      const { run, read, remove, write, whole } = host(t)
      if (damage === 'remove') remove('esp/b2/EFI/debian/grubx64.efi')
      else write('esp/b2/EFI/BOOT/BOOTX64.EFI', 'shim of before\n')
      assert.equal(whole(), false)
      const { status, stdout, stderr } = run()
      assert.equal(status, 0, stderr)
      assert.equal(stdout, 'FREEHOLD-BOOT-LOADERS wrote /dev/b2\n')
      assert.equal(whole(), true)
      assert.match(
        read('told') ?? '',
        /^grub-install --target=x86_64-efi [^\n]*--uefi-secure-boot --force-extra-removable[^\n]*\n$/,
      )
    })
  }

  test('a new shim reaches both', (t) => {
    const { run, write, read, whole } = host(t)
    write('shim', 'shim of tomorrow\n')
    assert.equal(run().status, 0)
    assert.equal(whole(), true)
    assert.equal(read('esp/b2/EFI/BOOT/BOOTX64.EFI'), 'shim of tomorrow\n')
  })

  test('a disk that took a lost one’s place gets a file system and all boot loaders; those for BIOS are of one kind on both', (t) => {
    const { run, read, write, remove, whole } = host(t)
    remove('esp/b2')
    write('front/b', '')
    const { status, stderr } = run()
    assert.equal(status, 0, stderr)
    assert.equal(whole(), true)
    const told = (read('told') ?? '').split('\n')
    assert.deepEqual(
      told.filter((line) => line.includes('i386-pc')).map((line) => line.split(' ').at(-1)),
      ['/dev/a', '/dev/b'],
    )
    assert.deepEqual(
      told.filter((line) => line.startsWith('mkfs')),
      ['mkfs /dev/b2'],
    )
  })

  test('what the installer put there first, to say that it was cut short, is replaced on both disks', (t) => {
    for (const left of ['early', 'menu alone']) {
      const { write, read, run, remove, whole } = host(t)
      for (const disk of ['a', 'b']) {
        write(`esp/${disk}2/EFI/debian/grub.cfg`, cutShortMenu)
        if (left === 'early') for (const part of ['shimx64.efi', 'grubx64.efi']) remove(`esp/${disk}2/EFI/debian/${part}`)
      }
      const { status, stderr } = run()
      assert.equal(status, 0, stderr)
      assert.equal(read('esp/b2/EFI/debian/grub.cfg'), 'search\n')
      assert.ok(whole())
    }
  })

  test('disks of a finished host that bear the name of a begun installation are named; never while it goes on', (t) => {
    for (const [mark, names] of [
      [false, ['begun', 'begun']],
      [false, ['root', 'begun']],
      [true, ['begun', 'begun']],
    ] as const) {
      const { write, read, run } = host(t)
      write('name/a', `freehold-${names[0]}\n`)
      write('name/b', `freehold-${names[1]}\n`)
      if (mark) write('install-incomplete', '')
      const { status, stderr } = run()
      assert.equal(status, 0, stderr)
      const told = (read('told') ?? '').split('\n').filter((line) => line.startsWith('sfdisk'))
      assert.equal(told.length, mark ? 0 : names.filter((name) => name === 'begun').length)
      for (const disk of ['a', 'b']) assert.equal(read(`name/${disk}`), `freehold-${mark ? 'begun' : 'root'}\n`)
    }
  })

  test('an ESP that cannot be mounted fails the run and is named; the other is filled all the same', (t) => {
    const { run, write, read, here } = host(t)
    write('broken/dev/a2', '')
    write('esp/b2/EFI/BOOT/BOOTX64.EFI', 'shim of before\n')
    const { status, stderr, stdout } = run()
    assert.equal(status, 1)
    assert.match(stderr, /failed \/dev\/a2/)
    assert.match(stdout, /wrote \/dev\/b2/)
    assert.equal(read('esp/b2/EFI/BOOT/BOOTX64.EFI'), 'shim of today\n')
    // nothing stays mounted, no folder stays
    assert.equal(read('mounted'), undefined)
    assert.doesNotMatch(execFileSync('ls', [here], { encoding: 'utf8' }), /^at\./m)
  })
})
