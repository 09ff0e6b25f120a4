import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { unpackedPackage } from './stand.ts'

const run = promisify(execFile)
const library = 'usr/lib/x86_64-linux-gnu/security/pam_web3.so'
let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-package-'))
  await unpackedPackage(folder)
})
after(async () => await rm(folder, { recursive: true, force: true }))

test('the module exports the five entry points of PAM and nothing else', async () => {
  const { stdout } = await run('nm', ['-D', '--defined-only', join(folder, library)])
  const names = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ').at(-1))
  assert.deepEqual(names, [
    'pam_sm_acct_mgmt',
    'pam_sm_authenticate',
    'pam_sm_close_session',
    'pam_sm_open_session',
    'pam_sm_setcred',
  ])
})
test('module and helper need nothing that Debian 13 lacks', async () => {
  for (const file of [library, 'usr/sbin/freehold-guest']) {
    const { stdout } = await run('objdump', ['-p', join(folder, file)])
    const needed = [...stdout.matchAll(/NEEDED\s+(\S+)/g)].map(([, name]) => name)
    assert.deepEqual(
      needed.filter((name) => !['libc.so.6', 'libgcc_s.so.1', 'libpam.so.0', 'ld-linux-x86-64.so.2'].includes(name ?? '')),
      [],
    )
    const versions = [...stdout.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor))
    assert.ok(Math.max(...versions) <= 41)
  }
})
test('the module is bound at start and its tables are read-only', async () => {
  const { stdout } = await run('readelf', ['-dlW', join(folder, library)])
  assert.match(stdout, /BIND_NOW|FLAGS.*NOW/)
  assert.match(stdout, /GNU_RELRO/)
})
test('the PAM stack never falls through to passwords', async () => {
  const stack = await readFile(join(folder, 'etc/pam.d/freehold-sshd'), 'utf8')
  const lines = stack.split('\n').filter((line) => line.startsWith('auth'))
  assert.deepEqual(
    lines.map((line) => line.split(/\s+/)),
    [['auth', 'required', 'pam_web3.so']],
  )
  assert.doesNotMatch(stack, /common-auth|common-account|pam_unix/)
})
test('the package holds root-owned files that only root may write', async () => {
  const { stdout: deb } = await run(resolve(import.meta.dirname, '../../scripts/build-pam-web3.sh'), [], { timeout: 900_000 })
  const { stdout } = await run('dpkg-deb', ['-c', deb.trim()])
  for (const line of stdout.trimEnd().split('\n')) assert.match(line, /^(l.{9}|.(rw|r-).(r-)[-x](r-)[-x]) root\/root /, line)
})
