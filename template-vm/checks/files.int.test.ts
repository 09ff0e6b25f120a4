import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { builtTemplate, rootEntries, rootFile, type BuiltTemplate, type RootEntry } from './built-template.ts'

// Programs that gain rights when a user starts them; each is needed by sudo, su, mount, passwords or D-Bus activation.
const setuid = [
  'usr/bin/chfn',
  'usr/bin/chsh',
  'usr/bin/gpasswd',
  'usr/bin/mount',
  'usr/bin/newgrp',
  'usr/bin/passwd',
  'usr/bin/su',
  'usr/bin/sudo',
  'usr/bin/umount',
  'usr/lib/dbus-1.0/dbus-daemon-launch-helper',
  'usr/lib/openssh/ssh-keysign',
]
const setgid = ['usr/bin/chage', 'usr/bin/expiry', 'usr/bin/ssh-agent', 'usr/sbin/unix_chkpwd']
const owner = 1000

let template: BuiltTemplate
let entries: RootEntry[]
before(async () => {
  template = await builtTemplate()
  entries = await rootEntries(template.root)
})
const paths = (match: (entry: RootEntry) => boolean) => entries.filter(match).map((entry) => entry.path)

test('denies files that everybody may write', () => {
  const open = paths((e) => e.type !== 'l' && e.mode[7] === 'w' && !(e.type === 'd' && e.mode[8] === 't'))
  assert.deepEqual(open, [])
})

test('denies sticky folders for everybody outside the temporary ones', () => {
  const sticky = paths((e) => e.type === 'd' && e.mode[7] === 'w')
  assert.deepEqual(sticky.toSorted(), ['tmp', 'var/tmp'])
})

test('denies programs with rights of their own beyond the list', () => {
  assert.deepEqual(paths((e) => e.type === '-' && /[sS]/.test(e.mode[2] ?? '')).toSorted(), setuid)
  assert.deepEqual(paths((e) => e.type === '-' && /[sS]/.test(e.mode[5] ?? '')).toSorted(), setgid)
})

test('denies device files', () => {
  assert.deepEqual(
    paths((e) => e.type === 'c' || e.type === 'b'),
    [],
  )
})

test('denies files of unknown owners, and of `owner` outside the home', () => {
  assert.deepEqual(
    paths((e) => e.uid === owner && !/^home\/owner(\/|$)/.test(e.path)),
    [],
  )
  assert.deepEqual(
    paths((e) => e.uid >= 1000 && e.uid !== owner),
    [],
  )
})

test('denies host keys, a machine id, a random seed', async () => {
  assert.deepEqual(
    paths((e) => /^etc\/ssh\/ssh_host_|^var\/lib\/systemd\/random-seed|^var\/lib\/dbus\/machine-id/.test(e.path)),
    [],
  )
  assert.equal(await rootFile(template.root, 'etc/machine-id'), '')
})

test('denies passwords and authorized keys', async () => {
  const shadow = await rootFile(template.root, 'etc/shadow')
  for (const line of shadow.trimEnd().split('\n')) assert.match(line, /^[^:]+:[*!]+:/)
  assert.deepEqual(
    paths((e) => e.path.endsWith('authorized_keys')),
    [],
  )
})

test('denies any package source but the public one of Debian', async () => {
  const sources = paths((e) => e.type === '-' && e.path.startsWith('etc/apt/sources.list'))
  assert.deepEqual(sources, ['etc/apt/sources.list.d/debian.sources'])
  const uris = (await rootFile(template.root, sources[0] ?? '')).match(/\w+:\/\/\S+/g)
  assert.deepEqual(uris, ['http://deb.debian.org/debian', 'http://deb.debian.org/debian-security'])
  for (const path of paths((e) => e.type === '-' && /^etc\/apt\/(apt\.conf|auth\.conf|preferences)/.test(e.path))) {
    assert.doesNotMatch(await rootFile(template.root, path), /:\/\//, path)
  }
  assert.deepEqual(
    paths((e) => e.type === '-' && /^var\/lib\/apt\/lists\/./.test(e.path)),
    [],
  )
})

test('knows `owner`, locked, with sudo', async () => {
  assert.match(await rootFile(template.root, 'etc/passwd'), /^owner:x:1000:1000:[^:]*:\/home\/owner:\/bin\/bash$/m)
  assert.match(await rootFile(template.root, 'etc/shadow'), /^owner:!/m)
  const home = entries.find((e) => e.path === 'home/owner')
  assert.deepEqual([home?.uid, home?.mode], [owner, 'rwx------'])
  assert.equal(entries.find((e) => e.path === 'etc/sudoers.d/owner')?.mode, 'r--r-----')
})
