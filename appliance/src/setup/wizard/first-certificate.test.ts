import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fingerprintOf } from '../../cli/screen/fingerprint.ts'
import { makeFirstCertificate, openFirstCertificate } from './first-certificate.ts'

const options = { names: ['192.0.2.7', '2001:db8::7', 'freehold.local'], notBefore: new Date('2026-11-01T00:00:00Z') }

test('I1 two machines never share a key or a certificate', async () => {
  const [one, two] = await Promise.all([makeFirstCertificate(options), makeFirstCertificate(options)])
  assert.notEqual(fingerprintOf(one.certificate), fingerprintOf(two.certificate))
  assert.notEqual(one.key, two.key)
})

test('W3 the fingerprint is the one that openssl prints, and the key is the certificate’s own', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fh-cert-'))
  t.after(() => rm(folder, { recursive: true }))
  const { certificate, key } = await makeFirstCertificate(options)
  const file = join(folder, 'cert.pem')
  await writeFile(file, certificate)
  const said = execFileSync('openssl', ['x509', '-in', file, '-noout', '-fingerprint', '-sha256'], { timeout: 20_000 }).toString()
  assert.equal(said.trim().split('=')[1], fingerprintOf(certificate))
  assert.equal(fingerprintOf(certificate).length, 95)
  const parsed = new X509Certificate(certificate)
  const publicKey = execFileSync('openssl', ['pkey', '-pubout'], { input: key, timeout: 20_000 }).toString()
  assert.equal(publicKey, parsed.publicKey.export({ type: 'spki', format: 'pem' }))
  assert.ok(parsed.checkIP('192.0.2.7') !== undefined && parsed.checkIP('2001:db8::7') !== undefined)
  assert.equal(parsed.checkHost('freehold.local'), 'freehold.local')
  assert.equal(parsed.ca, false)
})

const start = { names: options.names, now: new Date('2026-11-02T00:00:00Z') }

test('of a first start whose clock was years ahead, or read in part: made anew, valid by the clock of this start', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fh-cert-'))
  t.after(() => rm(folder, { recursive: true }))
  const files = { certificate: join(folder, 'c.pem'), key: join(folder, 'k.pem') }
  const ahead = await openFirstCertificate(files, { ...start, now: new Date('2030-11-02T00:00:00Z') })
  const now = await openFirstCertificate(files, start)
  assert.notEqual(now, ahead)
  assert.ok(new X509Certificate(now).validFromDate < start.now)
  await writeFile(files.certificate, now.slice(0, 100))
  const again = await openFirstCertificate(files, start)
  assert.ok(new X509Certificate(again).validToDate > start.now)
  // over: a host that was never set up
  assert.notEqual(await openFirstCertificate(files, { ...start, now: new Date('2028-11-02T00:00:00Z') }), again)
})

test('made once: a second start finds it, and nobody else reads its key', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fh-cert-'))
  t.after(() => rm(folder, { recursive: true }))
  const files = { certificate: join(folder, 'c.pem'), key: join(folder, 'k.pem') }
  assert.equal(await openFirstCertificate(files, start), await openFirstCertificate(files, start))
  assert.equal((await stat(files.key)).mode & 0o777, 0o640)
})
