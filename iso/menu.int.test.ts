import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { pbkdf2Sync } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeRecovery } from './installer/recovery.ts'

/** The menu of a disk with these kernels, checked by GRUB's own parser. */
function menuOf(kernels: readonly string[], password: string | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), 'fh-menu-'))
  try {
    for (const name of ['boot', 'bin']) mkdirSync(join(folder, name))
    for (const version of kernels)
      for (const part of ['vmlinuz', 'initrd.img']) writeFileSync(join(folder, 'boot', `${part}-${version}`), '')
    writeFileSync(
      join(folder, 'bin/grub-probe'),
      '#!/bin/sh\ncase $1 in --target=fs_uuid) echo 1234-abcd ;; --target=abstraction) echo diskfilter mdraid1x ;; *) echo gpt ;; esac\n',
    )
    if (password !== undefined) writeFileSync(join(folder, 'grub-password'), password)
    const script = readFileSync(join(import.meta.dirname, 'config/includes/etc/grub.d/09_freehold'), 'utf8')
    const here = join(folder, 'menu')
    writeFileSync(
      here,
      script
        .replaceAll('find /boot ', `find ${folder}/boot `)
        .replaceAll('#/boot/', `#${folder}/boot/`)
        .replaceAll('"/boot/initrd', `"${folder}/boot/initrd`)
        .replaceAll('/etc/freehold/grub-password', `${folder}/grub-password`),
    )
    for (const file of [here, join(folder, 'bin/grub-probe')]) chmodSync(file, 0o755)
    const env = {
      PATH: `${folder}/bin:/usr/sbin:/usr/bin:/bin`,
      GRUB_CMDLINE_LINUX: 'console=tty0',
      GRUB_CMDLINE_LINUX_DEFAULT: 'quiet',
    }
    const menu = execFileSync(here, { encoding: 'utf8', env })
    execFileSync('/usr/bin/grub-script-check', { input: menu })
    return menu
  } finally {
    rmSync(folder, { recursive: true })
  }
}
const entries = (menu: string) =>
  [...menu.matchAll(/menuentry "([^"]+)" --id (\S+)( --unrestricted)?/g)].map(([, title, id, free]) => ({
    title,
    id,
    free: free !== undefined,
  }))

test('only start, rescue and factory reset are open at the menu; an older kernel wants the recovery secret', () => {
  const menu = menuOf(['6.12.9-amd64', '6.12.41-amd64', '6.12.38-amd64'], makeRecovery().menuLine)
  assert.match(
    menu,
    /^set superusers="freehold"\npassword_pbkdf2 freehold grub\.pbkdf2\.sha512\.10000\.[0-9A-F]{128}\.[0-9A-F]{128}$/m,
  )
  assert.deepEqual(
    entries(menu).map(({ id, free }) => [id, free]),
    [
      ['freehold', true],
      ['rescue', true],
      ['reset', true],
      ['old-6.12.38-amd64', false],
      ['old-6.12.9-amd64', false],
    ],
  )
  assert.match(
    menu,
    /linux \/boot\/vmlinuz-6\.12\.41-amd64 root=UUID=1234-abcd ro console=tty0 quiet\n\tinitrd \/boot\/initrd\.img-6\.12\.41-amd64/,
  )
  assert.match(menu, /insmod diskfilter\n\tinsmod mdraid1x\n\tinsmod part_gpt\n/)
  for (const mode of ['rescue', 'reset']) assert.match(menu, new RegExp(`ro console=tty0 freehold.mode=${mode}\\n`))
})

test('the menu’s line is made as GRUB’s own program makes it', () => {
  const { secret, menuLine } = makeRecovery()
  const parts = (line: string) => /sha512\.(\d+)\.([0-9A-F]+)\.([0-9A-F]+)\s*$/.exec(line)?.slice(1) ?? []
  const hashed = ([rounds = '', salt = '', hash = '']: string[]) => [
    pbkdf2Sync(secret, Buffer.from(salt, 'hex'), Number(rounds), hash.length / 2, 'sha512')
      .toString('hex')
      .toUpperCase(),
    hash,
  ]
  const theirs = execFileSync('grub-mkpasswd-pbkdf2', {
    input: `${secret}\n${secret}\n`,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  for (const line of [theirs, menuLine]) {
    const [made, kept] = hashed(parts(line))
    assert.equal(made, kept)
  }
  assert.equal(parts(menuLine)[2]?.length, parts(theirs)[2]?.length)
})
