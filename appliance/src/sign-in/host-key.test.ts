import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseHostKey } from './host-key.ts'
import { testHostKey } from './test-stand.ts'

const { publicKey, fingerprint } = testHostKey

test('no host key: another algorithm, a wrong length, a second line, a wrong name inside', () => {
  const inner = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64')
  const renamed = Buffer.from(inner)
  renamed.write('ssh-ed25518', 4)
  for (const line of [
    '',
    'ssh-rsa AAAAB3NzaC1yc2E',
    publicKey.slice(0, -4),
    `${publicKey}AAAA`,
    `${publicKey}\nssh-rsa AAAA`,
    `${publicKey} name\n`,
    `command="x" ${publicKey}`,
    `ssh-ed25519 ${renamed.toString('base64')}`,
  ]) {
    assert.equal(parseHostKey(line), undefined, line)
  }
})

test('S9 the fingerprint as ssh prints it, the line without its comment', () => {
  const parsed = parseHostKey(`${publicKey} root@vm-42`)
  assert.equal(parsed?.publicKey, publicKey)
  assert.match(parsed?.fingerprint ?? '', /^SHA256:[A-Za-z0-9+/]{43}$/)
  assert.ok(fingerprint.startsWith('SHA256:'))
})
