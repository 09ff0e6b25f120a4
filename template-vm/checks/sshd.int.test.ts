import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { asRoot, builtTemplate } from './built-template.ts'

// The guest's own sshd reads its own configuration in its own root; only the host key is made for the occasion.
const script = `
set -eu
tar -C "$1" --numeric-owner -xpf "$2"
: > "$1/dev/null"
mount --bind /dev/null "$1/dev/null"
mkdir -p "$1/run/sshd"
chroot "$1" /usr/bin/ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
chroot "$1" /usr/sbin/sshd -t
chroot "$1" /usr/sbin/sshd -T -C user=owner,host=vm,addr=192.0.2.1
`
let folder: string
let settings: Map<string, string>
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-sshd-'))
  const { root } = await builtTemplate()
  const printed = await asRoot('sh', '-c', script, 'sh', folder, root)
  settings = new Map(
    printed
      .trimEnd()
      .split('\n')
      .map((line) => [line.split(' ')[0] ?? '', line.replace(/^\S+ /, '')]),
  )
})
after(async () => {
  await asRoot('rm', '-rf', folder)
  await rm(folder, { recursive: true, force: true })
})

const expected: Record<string, string> = {
  allowusers: 'owner',
  permitrootlogin: 'no',
  passwordauthentication: 'no',
  permitemptypasswords: 'no',
  kbdinteractiveauthentication: 'yes',
  usepam: 'yes',
  logingracetime: '330',
  maxstartups: '250:30:400',
  maxauthtries: '20',
  persourcepenalties: 'no',
  hostkey: '/etc/ssh/ssh_host_ed25519_key',
  subsystem: 'sftp /usr/lib/openssh/sftp-server',
}
for (const [name, value] of Object.entries(expected)) {
  test(`sshd: ${name} ${value}`, () => assert.equal(settings.get(name), value))
}
