import assert from 'node:assert/strict'
import { appendFile, chmod, chown, copyFile, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { beforeEach, test } from 'node:test'
import { createLyingHost, holder, secret, type LyingHost } from './lying-host.ts'
import { guestRoot, lyingStand } from './lying-stand.ts'
import { ended, type Stand } from './stand.ts'

// T7, T8, T11: `freehold verify` and `audit` in the guest's own root (Debian 13). No systemd runs there, so `watch` is always
// named as not running; the booted guest of guest.vm.test.ts shows it well.
interface Report {
  version: number
  ok: boolean
  checks: { id: string; state: 'ok' | 'warning' | 'failed'; text: string; remedy: string }[]
  access?: { plainKeys: { file: string; key: string }[]; sessions: unknown[] }
}
let stand: Stand
let host: LyingHost
let root: string
lyingStand((made, honest) => {
  stand = made
  host = honest
  root = resolve(stand.config, '../..')
}, guestRoot)
beforeEach(() => {
  host.presence = { holder: holder.address.toLowerCase(), activeUntil: 1_900_000_000, blockNumber: 7, reason: null }
})

async function run(...words: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = stand.join('/usr/bin/freehold', words)
  let [out, err] = ['', '']
  child.stdout?.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr?.on('data', (data: Buffer) => (err += data.toString()))
  await ended(child)
  return { code: child.exitCode, out, err }
}
async function report(verb = 'verify'): Promise<Report & { code: number | null }> {
  const { code, out, err } = await run(verb, '--json')
  assert.equal(err, '')
  assert.doesNotMatch(out, new RegExp(secret))
  return { ...(JSON.parse(out) as Report), code }
}
const notWell = (r: Report) => r.checks.filter((c) => c.state !== 'ok' && c.id !== 'watch')

/** What is broken, how, and what is named. The file is put back after each. */
const broken: [string, string, (path: string) => Promise<unknown>, string, RegExp][] = [
  ['a secret that others may read', 'etc/freehold/secret', (p) => chmod(p, 0o644), 'secret', /root alone/],
  ['no secret', 'etc/freehold/secret', (p) => rm(p), 'secret', /not there/],
  ['facts of another owner', 'etc/freehold/guest.json', (p) => chown(p, 1000, 1000), 'facts', /Unsafe/],
  ['a second user CA', 'etc/freehold/user-ca.pub', (p) => readFile(p).then((ca) => appendFile(p, ca)), 'user-ca', /2 keys/],
  ['a host key that others may read', 'etc/ssh/ssh_host_ed25519_key', (p) => chmod(p, 0o644), 'host-key', /root alone/],
  [
    'a module that others may write',
    'usr/lib/x86_64-linux-gnu/security/pam_web3.so',
    (p) => chmod(p, 0o666),
    'module',
    /changed by others/,
  ],
  ['a helper of another owner', 'usr/sbin/freehold-guest', (p) => chown(p, 1000, 1000), 'helper', /changed by others/],
  [
    'a PAM stack that asks nobody',
    'etc/pam.d/freehold-sshd',
    (p) => writeFile(p, 'auth sufficient pam_permit.so\n'),
    'pam',
    /auth is not/,
  ],
  [
    'an account stage that says yes first',
    'etc/pam.d/freehold-sshd',
    async (p) => writeFile(p, `account sufficient pam_permit.so\n${await readFile(p, 'utf8')}`),
    'pam',
    /account/,
  ],
  [
    'passwords in an earlier file of sshd',
    'etc/ssh/sshd_config.d/10-freehold.conf',
    async (p) => writeFile(p, `PasswordAuthentication yes\n${await readFile(p, 'utf8')}`),
    'sshd',
    /passwordauthentication is yes/,
  ],
  [
    'another user for one address alone',
    'etc/ssh/sshd_config.d/10-freehold.conf',
    async (p) => writeFile(p, `${await readFile(p, 'utf8')}\nMatch Address 203.0.113.7\nPermitRootLogin yes\n`),
    'sshd',
    /permitrootlogin/,
  ],
]
test('T11 verify finds a fresh installation well, but for the service that no systemd runs here', async () => {
  const found = await report()
  assert.deepEqual(notWell(found), [])
  assert.deepEqual(
    found.checks.map((c) => c.id),
    ['facts', 'secret', 'host-key', 'user-ca', 'module', 'helper', 'sshd', 'pam', 'watch', 'reach', 'clock'],
  )
  assert.match(found.checks.find((c) => c.id === 'reach')?.text ?? '', /pinned key; block 7, active until 2030-03-17/)
  assert.equal(found.code, 1)
})
for (const [name, file, change, id, text] of broken) {
  test(`T11 verify names ${name}`, async () => {
    const path = join(root, file)
    await cp(path, `${path}.kept`, { preserveTimestamps: true })
    const keep = async () => {
      await rm(path, { force: true })
      await rename(`${path}.kept`, path)
    }
    try {
      await change(path)
      const [first, ...others] = notWell(await report())
      assert.equal(first?.id, id)
      assert.equal(first.state, 'failed')
      assert.match(first.text, text)
      assert.notEqual(first.remedy, '')
      assert.deepEqual(
        others.filter((c) => c.id !== 'reach' && !(c.id === 'sshd' && id === 'host-key')),
        [],
      )
    } finally {
      await keep()
    }
  })
}
test('T11 verify names an endpoint that is silent, and one with another key', async () => {
  await stand.setFacts({ ...host.facts, endpoint: '127.0.0.1:1' }, secret)
  assert.match(notWell(await report())[0]?.text ?? '', /127\.0\.0\.1:1: host unreachable/)
  const other = await createLyingHost(stand.fingerprint)
  await stand.setFacts({ ...host.facts, endpoint: other.facts.endpoint }, secret)
  assert.match(notWell(await report())[0]?.text ?? '', /another key answers/)
  assert.deepEqual(other.calls, [])
  await other.stop()
})
test('T11 a limit that differs is a warning, not a failure', async () => {
  const path = join(root, 'etc/ssh/sshd_config.d/00-own.conf')
  await writeFile(path, 'LoginGraceTime 120\n')
  assert.deepEqual(
    notWell(await report()).map((c) => [c.id, c.state]),
    [['sshd', 'warning']],
  )
  await rm(path)
})
test('T11 audit says who has access, by fingerprint alone, and holds no secret', async () => {
  const keys = join(root, 'home/owner/.ssh')
  await mkdir(keys, { recursive: true })
  await copyFile(join(root, 'etc/ssh/ssh_host_ed25519_key.pub'), join(keys, 'authorized_keys'))
  const { access } = await report('audit')
  assert.deepEqual(access?.plainKeys, [{ file: '/home/owner/.ssh/authorized_keys', key: stand.fingerprint }])
  assert.deepEqual(access?.sessions, [])
  const { out } = await run('audit')
  assert.match(out, new RegExp(`^key {6}${stand.fingerprint.replaceAll('+', '\\+')} in /home/owner`, 'm'))
  assert.equal(JSON.stringify(await report()).includes('plainKeys'), false)
})
test('T8 results stand on stdout, messages on stderr, exit codes are as documented', async () => {
  const usage = await run('verify', '--yaml')
  assert.deepEqual([usage.code, usage.out], [2, ''])
  assert.match(usage.err, /exit codes: 0 all proven, 1 something failed, 2 usage, 3 could not look/)
  const child = stand.join('/usr/bin/setpriv', ['--reuid=1000', '--regid=1000', '--clear-groups', '/usr/bin/freehold', 'verify'])
  await ended(child)
  assert.equal(child.exitCode, 3)
})
