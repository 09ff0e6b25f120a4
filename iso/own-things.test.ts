import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, suite, test } from 'node:test'
import { mirrorHosts, ownThings } from './own-things.ts'

const good: Record<string, string> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n',
  'etc/shadow': 'root:!*:20000:0:99999:7:::\ndaemon:*:20000::::::\ncaddy:!:20000::::::\n',
  'etc/machine-id': 'uninitialized\n',
  'etc/ssh/ssh_config': 'Host *\n',
  'etc/freehold/profile': 'libvirt\n',
  'etc/apt/apt.conf.d/01autoremove': 'APT::NeverAutoRemove { "^linux-image$"; };\n// Acquire::http::Proxy\n',
  'etc/apt/trusted.gpg.d/debian.asc': '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
  'usr/share/freehold/debian.sources': 'URIs: http://deb.debian.org/debian\n',
  'usr/lib/systemd/system/ssh.service': '[Service]\n',
  'usr/lib/systemd/system/ssh-access.target': '[Unit]\n',
}
const hex = 'ab'.repeat(32)

/** A tree of these files, over the good one; `-> to` makes a link. */
function treeOf(folder: string, files: Record<string, string | null>): string {
  const root = mkdtempSync(join(folder, 'tree-'))
  for (const [file, text] of Object.entries({ ...good, ...files })) {
    if (text === null) continue
    mkdirSync(dirname(join(root, file)), { recursive: true })
    if (text.startsWith('-> ')) symlinkSync(text.slice(3), join(root, file))
    else writeFileSync(join(root, file), text)
  }
  return root
}

suite('the tree of the medium, before anything starts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fh-own-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  for (const [name, files, found] of [
    ['a password', { 'etc/shadow': 'root:$y$j9T$x:20000:0:::::\n' }, 'etc/shadow: root has a password'],
    ['an empty password', { 'etc/shadow': 'root:!:1::::::\nuser::1::::::\n' }, 'etc/shadow: user has a password'],
    ['a password outside shadow', { 'etc/passwd': 'root::0:0::/root:/bin/sh\n' }, 'etc/passwd: root has a password'],
    ['no shadow', { 'etc/shadow': null }, 'etc/shadow: is not there'],
    ['a machine id', { 'etc/machine-id': `${hex.slice(0, 32)}\n` }, 'etc/machine-id: names a machine'],
    ['the id of D-Bus', { 'var/lib/dbus/machine-id': 'x' }, "var/lib/dbus/machine-id: is one machine's own"],
    ['a host key', { 'etc/ssh/ssh_host_ed25519_key': 'x' }, 'etc/ssh/ssh_host_ed25519_key: a host key'],
    [
      'a certificate',
      { 'var/lib/freehold/tls/first-boot.pem': 'x' },
      'var/lib/freehold/tls/first-boot.pem: a key or certificate',
    ],
    ['a key by another name', { 'etc/freehold/a': '-----BEGIN PRIVATE KEY-----' }, 'etc/freehold/a: a key or certificate'],
    ['a key in hex', { 'var/lib/freehold/secrets/x': `0x${hex}\n` }, 'var/lib/freehold/secrets/x: a key or certificate'],
    [
      'a service of ssh',
      { 'etc/systemd/system/multi-user.target.wants/ssh.service': '-> /usr/lib/systemd/system/ssh.service' },
      'etc/systemd/system/multi-user.target.wants/ssh.service: starts ssh',
    ],
    [
      'a socket of ssh by another name',
      { 'usr/lib/systemd/system/sockets.target.wants/door.socket': '-> ../ssh.socket' },
      'usr/lib/systemd/system/sockets.target.wants/door.socket: starts ssh',
    ],
    [
      'an alias of it',
      { 'etc/systemd/system/sshd.service': '-> /usr/lib/x.service' },
      'etc/systemd/system/sshd.service: starts ssh',
    ],
    ['an init script', { 'etc/rc2.d/S01ssh': '-> ../init.d/ssh' }, 'etc/rc2.d/S01ssh: starts ssh'],
    [
      'an archive',
      { 'etc/apt/sources.list': 'deb http://deb.debian.org/debian trixie main\n' },
      'etc/apt/sources.list: names an archive',
    ],
    [
      "the build machine's archive in a comment",
      { 'etc/apt/preferences.d/x': '# from mirror.example\n' },
      "etc/apt/preferences.d/x: names the build machine's archive",
    ],
    [
      'a proxy',
      { 'etc/apt/apt.conf.d/99': 'Acquire { http { Proxy "http://p:1"; }; };\n' },
      'etc/apt/apt.conf.d/99: names a proxy',
    ],
    ['a login', { 'etc/apt/auth.conf.d/x': 'machine m login l password p\n' }, 'etc/apt/auth.conf.d/x: has a login'],
  ] as const)
    test(`I1 ${name} is found`, () => {
      assert.deepEqual(ownThings(treeOf(folder, files), ['mirror.example']), [found])
    })

  test('I1 a tree that may become any number of hosts has none', () => {
    for (const files of [
      {},
      { 'etc/machine-id': '' },
      { 'etc/machine-id': null },
      { 'etc/apt/sources.list': '# nothing\n' },
      { 'etc/systemd/system/ssh.service': '-> /dev/null' },
    ] as const)
      assert.deepEqual(ownThings(treeOf(folder, files), ['mirror.example']), [])
  })

  test('hosts of archives are names alone, and none of Debian’s own', () => {
    for (const host of mirrorHosts()) assert.doesNotMatch(host, /[/@]|^$|(?:^|\.)debian\.org$/)
  })
})
