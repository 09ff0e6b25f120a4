import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { connect } from 'node:tls'
import getPort from 'get-port'
import { MovableClock } from '@freehold/appliance/clock/clock'
import { until } from '@freehold/appliance/dev/supervisor'
import type { TlsAnswer } from '@freehold/appliance/config/schema'
import { createCertificates, type Certificates, type TlsSubject } from '@freehold/appliance/setup/tls/certificates'
import { openFirstCertificate } from '@freehold/appliance/setup/wizard/first-certificate'
import { startAcmeStand, type AcmeStand } from '../stands/acme.ts'

const name = 'host.example'
const listen = { api: 'run/api.sock', web: '127.0.0.1:9', login: '127.0.0.1:7443' } as TlsSubject['listen']

// A real ACME authority, a real Caddy that is restarted as its unit is, and the daemon's own certificates between them.
suite('the certificate of the public address', () => {
  let folder: string
  let acme: AcmeStand
  let caddy: ChildProcess | undefined
  let restarts = 0
  let httpsPort: number
  const clock = new MovableClock()
  const aborts = new AbortController()

  before(async () => {
    folder = await mkdtemp('/tmp/fh-tls-')
    acme = await startAcmeStand(join(folder, 'acme'))
    httpsPort = await getPort({ host: '127.0.0.1' })
    const tls = join(folder, 'tls')
    await mkdir(join(folder, 'run'))
    const names = ['localhost', '127.0.0.1']
    await openFirstCertificate(
      { certificate: join(tls, 'first-boot.pem'), key: join(tls, 'first-boot.key') },
      { names, now: new Date() },
    )
  })
  after(async () => {
    aborts.abort()
    await endCaddy()
    await acme?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function endCaddy(): Promise<void> {
    if (caddy === undefined) return
    // one that did not take its configuration is gone already
    if (caddy.exitCode !== null) return void (caddy = undefined)
    const gone = once(caddy, 'exit')
    caddy.kill('SIGTERM')
    await gone
    caddy = undefined
  }
  async function reload(): Promise<void> {
    await endCaddy()
    restarts++
    const args = ['run', '--adapter', 'caddyfile', '--config', join(folder, 'tls/Caddyfile')]
    const env = { ...process.env, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    caddy = spawn('caddy', args, { stdio: 'ignore', env })
    await until('Caddy', 60, () => shown('127.0.0.1').then((text) => text !== undefined))
  }

  const made = (): Certificates =>
    createCertificates({
      stateFolder: folder,
      clock,
      front: { httpPort: acme.httpPort, httpsPort, reload },
      log: () => undefined,
    })
  const byAcme = (more: Partial<TlsAnswer> = {}, host = name): TlsSubject => ({
    origin: `https://${host}`,
    listen,
    tls: { kind: 'acme', directory: acme.directory, authorityFile: acme.authorityFile, termsAgreed: true, ...more } as TlsAnswer,
  })

  /** SHA-256 of the certificate that a browser would see; undefined if there is no connection. */
  function shown(address: string, servername?: string): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    // who vouches for it is not the question here: which one it is
    const socket = connect({ host: '127.0.0.1', port: httpsPort, ...(servername && { servername }), rejectUnauthorized: false })
    socket.once('secureConnect', () => {
      const digest = createHash('sha256').update(socket.getPeerCertificate().raw).digest('hex').toUpperCase()
      socket.destroy()
      resolve(digest.match(/../g)?.join(':'))
    })
    socket.once('error', () => resolve(undefined))
    return promise
  }
  /** What port 80 says to somebody who asks for this name. */
  async function port80(path: string): Promise<{ status: number; location: string; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; location: string; text: string }>()
    httpRequest({ host: '127.0.0.1', port: acme.httpPort, path, headers: { host: name } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, location: response.headers.location ?? '', text }))
    })
      .on('error', reject)
      .end()
    return await promise
  }
  const refused = (says: RegExp) => (error: { code?: string; detail?: string }) => {
    assert.equal(error.code, 'certificate-refused', JSON.stringify(error))
    assert.match(error.detail ?? '', says)
    return true
  }

  test('denies: nobody on port 80, a name that the authority refuses, an authority that nobody vouches for, no authority at all', async () => {
    const certificates = made()
    // nothing listens yet: the authority reaches nobody
    await assert.rejects(certificates.prepare(byAcme(), aborts.signal), refused(/connection refused|unauthorized|Connection/i))
    assert.match((await certificates.state()).trouble ?? '', /./)
    await certificates.writeSite({ listen })
    await assert.rejects(
      certificates.prepare(byAcme({}, 'blocked-domain.example'), aborts.signal),
      refused(/blocked-domain\.example|rejected|policy/i),
    )
    const { authorityFile: _, ...unknown } = byAcme().tls as Extract<TlsAnswer, { kind: 'acme' }>
    await assert.rejects(certificates.prepare({ ...byAcme(), tls: unknown }, aborts.signal), refused(/certificate/i))
    const nowhere = byAcme({ directory: `https://localhost:${await getPort({ host: '127.0.0.1' })}/dir` })
    await assert.rejects(certificates.prepare(nowhere, aborts.signal), refused(/ECONNREFUSED/))
    assert.equal(acme.issued(), 0)
    assert.deepEqual([await certificates.store.present(), await certificates.store.next()], [undefined, undefined])
    assert.equal(await shown('127.0.0.1', 'localhost'), await shown('127.0.0.1'), 'the first certificate is served as before')
    assert.deepEqual(await readdir(join(folder, 'tls/challenges')), [], 'no challenge is left')
  })

  test('before setup every address is answered with the first certificate, and port 80 only redirects', async () => {
    assert.notEqual(await shown('127.0.0.1'), undefined)
    const plain = await port80('/setup')
    assert.deepEqual([plain.status, plain.location], [308, `https://${name}/setup`])
    assert.equal((await port80('/.well-known/acme-challenge/nothing')).status, 404)
    const climbing = await port80('/.well-known/acme-challenge/..%2f..%2fsecrets%2facme-account.key')
    assert.deepEqual([climbing.status === 200, climbing.text], [false, ''], 'no path leads out of the folder')
  })

  test('a front that could not be told is told again, and then no more', async (t) => {
    const own = await mkdtemp('/tmp/fh-tls-told-')
    t.after(() => rm(own, { recursive: true, force: true }))
    let asked = 0
    const told = async (): Promise<void> => {
      if (++asked === 1) throw new Error('the root helper is not there')
    }
    const certificates = createCertificates({ stateFolder: own, clock, front: { reload: told }, log: () => undefined })
    await assert.rejects(certificates.writeSite({ listen }))
    await certificates.writeSite({ listen })
    await certificates.writeSite({ listen })
    assert.equal(asked, 2)
  })

  test('W14 issued, known before it is shown, then switched to; a kill in between asks for no second one', async () => {
    const first = await shown('127.0.0.1')
    const certificates = made()
    assert.equal(await certificates.isCurrent(byAcme()), false)
    const next = await certificates.prepare(byAcme(), aborts.signal)
    assert.equal(acme.issued(), 1)
    assert.notEqual(next.fingerprint, first)
    assert.equal(await shown('127.0.0.1', 'localhost'), first, 'not in use while it is announced')
    // another process, after a power cut
    const again = made()
    assert.equal((await again.prepare(byAcme(), aborts.signal)).fingerprint, next.fingerprint)
    assert.equal(acme.issued(), 1)
    await again.switchTo(byAcme())
    assert.equal(await shown('127.0.0.1', name), next.fingerprint)
    assert.equal(await shown('127.0.0.1'), first, 'who comes by the address sees what the screen shows')
    assert.equal(await again.isCurrent(byAcme()), true)
    assert.equal((await stat(join(folder, 'secrets/acme-account.key'))).mode & 0o777, 0o600)
    assert.equal((await stat(join(folder, 'tls/site/key.pem'))).mode & 0o777, 0o640)
    assert.deepEqual(await readdir(join(folder, 'tls/challenges')), [])
  })

  test('W14 an authority of the host: its root is for everybody, vouches for the name and for nothing else', async () => {
    const certificates = made()
    const subject: TlsSubject = { origin: `https://${name}`, listen, tls: { kind: 'own-ca' } }
    await certificates.prepare(subject, aborts.signal)
    await certificates.switchTo(subject)
    const root = await readFile(join(folder, 'tls/authority/root.pem'), 'utf8')
    const trusted = (servername: string): Promise<string | undefined> => {
      const { promise, resolve } = Promise.withResolvers<string | undefined>()
      const socket = connect(
        { host: '127.0.0.1', port: httpsPort, servername, ca: root },
        () => (socket.destroy(), resolve(undefined)),
      )
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      return promise
    }
    assert.equal(await trusted(name), undefined)
    assert.notEqual(await trusted('localhost'), undefined, 'the first certificate is none of its')
    assert.equal((await stat(join(folder, 'secrets/authority.key'))).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(join(folder, 'tls/authority')), ['root.pem'], 'the key is not where files are served from')
  })

  test('I5 a renewal that fails keeps the old certificate and says so; the next one renews on a moved clock', async (t) => {
    const certificates = made()
    await certificates.prepare(byAcme(), aborts.signal)
    await certificates.switchTo(byAcme())
    const present = await certificates.store.present()
    assert.ok(present !== undefined)
    clock.advance(Math.ceil((present.until - present.from) * 0.7))
    assert.equal(await certificates.isCurrent(byAcme()), false, 'due')
    await acme.kill()
    let stop = certificates.keep(byAcme())
    t.after(() => stop())
    await until('the failed try', 60, async () => (await certificates.state()).trouble !== null)
    stop()
    assert.equal(await shown('127.0.0.1', name), present.fingerprint)
    const before = restarts
    await acme.start()
    // pebble has forgotten all: the account is made anew by the same key
    stop = certificates.keep(byAcme())
    await until('the renewal', 60, async () => {
      const [seen, now] = [await shown('127.0.0.1', name), await certificates.store.present()]
      return seen !== undefined && seen !== present.fingerprint && seen === now?.fingerprint && restarts > before
    })
    stop()
    const renewed = await certificates.store.present()
    assert.equal(await shown('127.0.0.1', name), renewed?.fingerprint)
    assert.deepEqual([(await certificates.state()).trouble, await certificates.store.next()], [null, undefined])
    const kept = (await readdir(join(folder, 'tls'))).filter((entry) => entry.startsWith('issued-'))
    assert.equal(kept.length, 1, 'the old key is gone')
  })
})
