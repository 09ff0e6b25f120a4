import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { AppError } from '../../errors/app-error.ts'
import { parseHostKey, type HostKey } from '../host-key.ts'
import { loadOrCreateSecrets, type Secrets } from '../secrets.ts'
import { issueCertificate } from './issue.ts'

const run = promisify(execFile)
const keyId = 'ab'.repeat(16)
const vm = { installation: '4eff3c5b1f35', tokenId: 42n, generation: 3 }

suite('an SSH certificate', () => {
  let folder = ''
  let secrets: Secrets
  let key: HostKey
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-certificate-'))
    secrets = await loadOrCreateSecrets(join(folder, 'secrets'))
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(folder, 'key')])
    const parsed = parseHostKey((await readFile(join(folder, 'key.pub'), 'utf8')).trim())
    assert.ok(parsed)
    key = parsed
  })
  after(() => rm(folder, { recursive: true, force: true }))

  test('denies a key id that is no request: nothing of a caller reaches the arguments', async () => {
    for (const bad of ['', '-h', 'x'.repeat(32), `${keyId}\n`, 'AB'.repeat(16)]) {
      await assert.rejects(issueCertificate({ userCaPath: secrets.userCaPath, key, vm, keyId: bad }), TypeError)
    }
  })
  test('without its CA there is none, no path is told, and nothing is left behind', async () => {
    const before = (await readdir(tmpdir())).filter((n) => n.startsWith('freehold-certificate-'))
    await assert.rejects(issueCertificate({ userCaPath: join(folder, 'nowhere'), key, vm, keyId }), (error: unknown) => {
      assert.ok(error instanceof AppError)
      assert.equal(error.code, 'process-failed')
      assert.doesNotMatch(`${error.title} ${error.detail} ${error.hint}`, /nowhere/)
      return true
    })
    assert.deepEqual(
      (await readdir(tmpdir())).filter((n) => n.startsWith('freehold-certificate-')),
      before,
    )
  })
  test('names one VM in one generation, one request, ten minutes, and no more rights than it needs', async () => {
    const made = await issueCertificate({ userCaPath: secrets.userCaPath, key, vm, keyId, now: 1_800_000_000 })
    assert.deepEqual(
      { ...made, certificate: '' },
      {
        certificate: '',
        keyId,
        principal: 'vm:4eff3c5b1f35:42:3',
        validAfter: 1_799_999_700,
        validBefore: 1_800_000_300,
      },
    )
    await writeFile(join(folder, 'key-cert.pub'), `${made.certificate}\n`)
    const shown = (await run('ssh-keygen', ['-L', '-f', join(folder, 'key-cert.pub')], { env: { ...process.env, TZ: 'UTC' } }))
      .stdout
    assert.match(shown, /Type: ssh-ed25519-cert-v01@openssh\.com user certificate/)
    assert.match(shown, new RegExp(`Key ID: "${keyId}"`))
    assert.ok(shown.includes(`Public key: ED25519-CERT ${key.fingerprint}`))
    assert.match(shown, /Valid: from 2027-01-15T07:55:00 to 2027-01-15T08:05:00/)
    assert.match(shown, /Principals:\s+vm:4eff3c5b1f35:42:3\s+Critical Options: \(none\)/)
    assert.match(shown, /Extensions:\s+permit-agent-forwarding\s+permit-port-forwarding\s+permit-pty\s*$/)
  })
})
