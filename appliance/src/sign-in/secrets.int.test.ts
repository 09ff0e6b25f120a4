import assert from 'node:assert/strict'
import { createPublicKey, randomBytes, sign, verify, X509Certificate } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { loadOrCreateSecrets } from './secrets.ts'

suite('secrets of signing in', () => {
  let folder = ''
  before(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'fh-secrets-')), 'sign-in')
  })
  after(() => rm(join(folder, '..'), { recursive: true, force: true }))

  test('P6 two at once make one set; files are for their owner only', async () => {
    const [a, b] = await Promise.all([loadOrCreateSecrets(folder), loadOrCreateSecrets(folder)])
    assert.deepEqual(a.master, b.master)
    assert.equal(a.statementKeyRaw, b.statementKeyRaw)
    assert.equal(a.spkiSha256, b.spkiSha256)
    assert.equal(a.userCa, b.userCa)
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
    const names = (await readdir(folder)).sort()
    assert.deepEqual(names, ['login-endpoint.pem', 'master', 'statement-key.pem', 'user-ca'])
    for (const name of names) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
  })

  test('what the seed names is the public half of what is kept', async () => {
    const secrets = await loadOrCreateSecrets(folder)
    assert.equal(Buffer.from(secrets.statementKeyRaw, 'base64').length, 32)
    const text = randomBytes(20)
    assert.ok(verify(null, text, createPublicKey(secrets.statementKey), sign(null, text, secrets.statementKey)))
    assert.match(secrets.userCa, /^ssh-ed25519 AAAA[A-Za-z0-9+/]{64}$/)
    const certificate = new X509Certificate(secrets.login.certificatePem)
    assert.ok(certificate.verify(certificate.publicKey))
    assert.equal(Buffer.from(secrets.spkiSha256, 'base64').length, 32)
  })

  test('refuses a damaged or readable secret instead of making another', async () => {
    const master = join(folder, 'master')
    const kept = await readFile(master)
    await writeFile(master, kept.subarray(1))
    await assert.rejects(loadOrCreateSecrets(folder), { code: 'config-unreadable' })
    await writeFile(master, kept)
    await chmod(master, 0o640)
    await assert.rejects(loadOrCreateSecrets(folder), { code: 'config-unreadable' })
    await chmod(master, 0o600)
    const pem = join(folder, 'login-endpoint.pem')
    const text = await readFile(pem, 'utf8')
    await writeFile(pem, text.slice(0, 300))
    await assert.rejects(loadOrCreateSecrets(folder), { code: 'config-unreadable' })
    await writeFile(pem, text)
    assert.deepEqual((await loadOrCreateSecrets(folder)).master, kept)
  })
})
