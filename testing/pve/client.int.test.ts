import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { createServer } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import * as answers from '@freehold/appliance/hypervisor/proxmox/answers'
import { parseAuthority, parseEndpoint, parseFingerprint, type Pin } from '@freehold/appliance/hypervisor/proxmox/endpoint'
import { openClient } from '@freehold/appliance/hypervisor/proxmox/open-client'
import { PveError, toAppError } from '@freehold/appliance/hypervisor/proxmox/pve-error'
import { Tasks } from '@freehold/appliance/hypervisor/proxmox/tasks'
import { createAuthority } from './certificates.ts'
import { openStand, type Stand } from './stand.ts'

async function open(t: TestContext, nodes = ['pve1']): Promise<{ stand: Stand; pin: Pin; port: number; leaf: X509Certificate }> {
  const stand = await openStand({ nodes })
  t.after(() => stand.close())
  const port = stand.servers.get('pve1')?.port ?? 0
  const leaf = new X509Certificate(stand.certificateOf('pve1'))
  return { stand, port, leaf, pin: parseAuthority(stand.authority.pem, 'pve1') }
}

const client = (port: number, pin: Pin, token: { id: string; secret: string }) =>
  openClient([{ endpoint: { host: '127.0.0.1', port }, pin }], token, systemClock)

const bytes = (stand: Stand) => [...stand.servers.values()].reduce((sum, s) => sum + s.requestBytes, 0)

suite('Proxmox client: the certificate is checked before a byte is sent', () => {
  const wrong: Record<string, (at: { leaf: X509Certificate; pin: Pin; other: Pin }) => Pin> = {
    'the authority of somebody else': ({ other }) => other,
    'the right authority and another name': ({ pin }) => (pin.kind === 'authority' ? { ...pin, name: 'pve9' } : pin),
    'the fingerprint of another leaf': () => ({ kind: 'fingerprint', sha256: parseFingerprint('AB'.repeat(32)) }),
  }
  for (const [name, pinOf] of Object.entries(wrong)) {
    test(`denies ${name}: not one request byte is sent, and the error says what was expected and seen`, async (t) => {
      const { stand, pin, port, leaf } = await open(t)
      const other = parseAuthority((await createAuthority()).pem, 'pve1')
      const wrongPin = pinOf({ leaf, pin, other })
      const c = client(port, wrongPin, stand.rootToken)
      t.after(() => c.close())
      await assert.rejects(c.get('/version', answers.version), (error) => {
        assert.ok(error instanceof AppError && error.code === 'certificate-mismatch', String(error))
        assert.match(error.detail, /Nothing was sent/)
        assert.ok(error.detail.includes(leaf.fingerprint256), error.detail)
        assert.ok(error.detail.includes(wrongPin.kind === 'fingerprint' ? wrongPin.sha256 : wrongPin.name), error.detail)
        return true
      })
      assert.equal(bytes(stand), 0)
      assert.deepEqual(stand.log, [])
    })
  }

  test('denies a leaf that changed after it was pinned, and takes it with its new fingerprint', async (t) => {
    const { stand, port, leaf } = await open(t)
    const c = client(port, { kind: 'fingerprint', sha256: parseFingerprint(leaf.fingerprint256) }, stand.rootToken)
    t.after(() => c.close())
    assert.equal((await c.get('/version', answers.version)).version, '9.1.9')
    const before = bytes(stand)
    const next = await stand.authority.issue('pve1')
    stand.servers.get('pve1')?.setCertificate(next)
    await assert.rejects(c.get('/version', answers.version), { code: 'certificate-mismatch' })
    assert.equal(bytes(stand), before)
    const fresh = client(
      port,
      { kind: 'fingerprint', sha256: parseFingerprint(new X509Certificate(next.cert).fingerprint256) },
      stand.rootToken,
    )
    t.after(() => fresh.close())
    assert.equal((await fresh.get('/version', answers.version)).version, '9.1.9')
  })

  test('denies an expired certificate, and says that it is that', async (t) => {
    const { stand, pin, port } = await open(t)
    stand.servers.get('pve1')?.setCertificate(await stand.authority.issue('pve1', { expired: true }))
    const c = client(port, pin, stand.rootToken)
    t.after(() => c.close())
    await assert.rejects(c.get('/version', answers.version), (error) => {
      assert.ok(error instanceof AppError && error.code === 'certificate-mismatch', String(error))
      assert.match(error.detail, /expired/)
      assert.match(error.hint, /pvecm updatecerts/)
      return true
    })
    assert.equal(bytes(stand), 0)
  })

  test('denies plain HTTP behind the port, unreachable and nothing sent but a greeting', async (t) => {
    const plain = createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await new Promise<void>((done) => plain.listen(0, '127.0.0.1', done))
    t.after(() => plain.close())
    const { pin, stand } = await open(t)
    const address = plain.address()
    const c = client(typeof address === 'object' && address !== null ? address.port : 0, pin, stand.rootToken)
    t.after(() => c.close())
    await assert.rejects(c.get('/version', answers.version), (error) => error instanceof PveError && error.kind === 'unreachable')
  })
})

suite('Proxmox client: what a person gives as address and pin', () => {
  const refused: [string, RegExp][] = [
    ['http://pve1:8006', /https:/],
    ['https://pve1:8006/api2/json', /has a path/],
    ['https://root:secret@pve1:8006', /name or password/],
    ['ftp://pve1', /ftp:/],
    ['https://', /no address/],
  ]
  for (const [text, says] of refused) {
    test(`denies ${text}`, () => {
      assert.throws(
        () => parseEndpoint(text),
        (error) => error instanceof AppError && error.code === 'bad-input' && says.test(`${error.detail} ${error.hint}`),
      )
    })
  }
  test('takes a name, a name with port, brackets; 8006 where none is given', () => {
    assert.deepEqual(parseEndpoint('pve1.example.org'), { host: 'pve1.example.org', port: 8006 })
    assert.deepEqual(parseEndpoint('https://pve1'), { host: 'pve1', port: 8006 })
    assert.deepEqual(parseEndpoint('pve1:443'), { host: 'pve1', port: 443 })
    assert.deepEqual(parseEndpoint('https://[fd00::1]:8007/'), { host: 'fd00::1', port: 8007 })
  })
  test('denies a SHA-1 fingerprint and what is none; takes what openssl prints', () => {
    assert.throws(() => parseFingerprint('AA'.repeat(20)), /SHA-1/)
    assert.throws(() => parseFingerprint('xyz'), /64 hex/)
    assert.equal(parseFingerprint(`sha256 Fingerprint=${'ab:'.repeat(31)}ab`), Array(32).fill('AB').join(':'))
  })
  test('denies a leaf as authority', async () => {
    const { cert } = await (await createAuthority()).issue('pve1')
    assert.throws(
      () => parseAuthority(cert.split('-----END CERTIFICATE-----')[0] + '-----END CERTIFICATE-----\n', 'pve1'),
      /not that of an authority/,
    )
  })
})

suite('Proxmox client: answers and faults', () => {
  test('denies a wrong secret after the server held it back, names a missing privilege at once', async (t) => {
    const { stand, pin, port } = await open(t)
    stand.access.users.set('a@pve', { enable: true, comment: undefined, password: undefined, tokens: new Map() })
    const token = stand.access.addToken('a@pve', 'tt', {})
    const bad = client(port, pin, { id: 'a@pve!tt', secret: '00000000-0000-0000-0000-000000000000' })
    const good = client(port, pin, { id: 'a@pve!tt', secret: token.secret })
    t.after(() => (bad.close(), good.close()))
    await assert.rejects(
      bad.get('/version', answers.version),
      (e) => e instanceof PveError && toAppError(e, 'x').code === 'token-refused',
    )
    await assert.rejects(good.get('/nodes/pve1/status', answers.nothing), (error) => {
      assert.ok(error instanceof PveError)
      assert.equal(toAppError(error, 'read the node').detail, 'To read the node, the token lacks Sys.Audit on /nodes/pve1.')
      return true
    })
    assert.ok(!JSON.stringify(stand.log).includes(token.secret))
  })

  for (const status of [595, 596, 599]) {
    test(`a POST answered ${status} is told as unknown and never sent twice; a GET is asked again`, async (t) => {
      const { stand, pin, port } = await open(t)
      const c = client(port, pin, stand.rootToken)
      t.after(() => c.close())
      stand.faults.arm({ kind: 'answer-after', status, reason: 'Broken pipe', empty: true }, { method: 'POST' })
      await assert.rejects(
        c.post('/pools', answers.nothing, { poolid: 'p1' }),
        (e) => e instanceof PveError && e.kind === 'unknown-outcome',
      )
      assert.equal(stand.log.filter((l) => l.verb === 'POST').length, 1)
      assert.ok(stand.world.pools.has('p1'), 'it had been carried out')
      stand.faults.arm({ kind: 'answer', status, reason: 'Broken pipe', empty: true }, { method: 'GET', times: 2 })
      assert.equal((await c.get('/version', answers.version)).version, '9.1.9')
      assert.equal(stand.faults.struck.length, 3)
    })
  }

  test('a cut connection after a POST is unknown; a refused one surely not done, and the next node is tried', async (t) => {
    const { stand, pin, port } = await open(t, ['pve1', 'pve2'])
    const ways = ['pve1', 'pve2'].map((node) => ({
      endpoint: { host: '127.0.0.1', port: stand.servers.get(node)?.port ?? 0 },
      pin: parseAuthority(stand.authority.pem, node),
    }))
    const c = openClient(ways, stand.rootToken, systemClock)
    const lone = client(port, pin, stand.rootToken)
    t.after(() => (c.close(), lone.close()))
    for (const kind of ['cut-before', 'cut-after'] as const) {
      stand.faults.arm({ kind }, { method: 'POST' })
      await assert.rejects(
        c.post('/pools', answers.nothing, { poolid: kind }),
        (e) => e instanceof PveError && e.kind === 'unknown-outcome',
      )
    }
    assert.deepEqual([...stand.world.pools.keys()], ['cut-after'])
    await stand.setOnline('pve1', false)
    await assert.rejects(
      lone.post('/pools', answers.nothing, { poolid: 'p2' }),
      (e) => e instanceof PveError && e.kind === 'unreachable',
    )
    await c.post('/pools', answers.nothing, { poolid: 'p3' })
    assert.ok(stand.world.pools.has('p3'))
    assert.equal(stand.faults.struck.length, 2)
  })

  test('a task ends well, fails with its text and log, or is lost and then unknown', async (t) => {
    const { stand, pin, port } = await open(t)
    const c = client(port, pin, stand.rootToken)
    t.after(() => c.close())
    const tasks = new Tasks(c, systemClock, 0.01)
    const create = (id: number) => c.post('/nodes/pve1/qemu', answers.upid, { vmid: id, scsi0: 'local:1' })
    await tasks.wait(await create(500), { limitMs: 5000 })
    stand.faults.arm({ kind: 'task-fails', text: 'no room' }, { method: 'POST' })
    await assert.rejects(tasks.wait(await create(501), { limitMs: 5000 }), (e) => {
      assert.ok(e instanceof PveError && e.kind === 'task-failed' && e.reason.includes('no room'), String(e))
      assert.match(String(e.cause), /TASK ERROR/)
      return true
    })
    stand.faults.arm({ kind: 'task-lost' }, { method: 'POST' })
    const lost = await create(502)
    await stand.world.settle()
    await assert.rejects(tasks.wait(lost, { limitMs: 5000 }), (e) => e instanceof PveError && e.kind === 'task-unknown')
    assert.deepEqual(
      stand.faults.struck.map((s) => s.fault),
      ['task-fails', 'task-lost'],
    )
  })
})
