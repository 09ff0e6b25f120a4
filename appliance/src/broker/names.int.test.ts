import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import dnsPacket from 'dns-packet'
import { createSocket } from 'node:dgram'
import getPort from 'get-port'
import { systemClock } from '../clock/clock.ts'
import { NameBook } from './names/name-book.ts'
import { KnotNames, knotConfig } from './names/knot.ts'
import { BrokerDatabase } from './store/database.ts'
import { contractOf, testBook, type TestBook } from './test-broker.ts'
import { installationId } from '../chain/installation.ts'
import type { Identity } from './types.ts'

const run = promisify(execFile)
const zone = 'vm.example.org'

/** One question over UDP, as a resolver asks it. */
function ask(
  port: number,
  name: string,
  type: string,
): Promise<{ rcode: string; answers: string[]; authority: string[]; aa: boolean }> {
  const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof ask> extends Promise<infer T> ? T : never>()
  const socket = createSocket('udp4')
  const timer = setTimeout(() => {
    socket.close()
    reject(new Error(`no answer about ${name}`))
  }, 5000)
  socket.once('message', (message) => {
    clearTimeout(timer)
    socket.close()
    const packet = dnsPacket.decode(message) as dnsPacket.DecodedPacket & { rcode: string }
    const text = (one: dnsPacket.Answer): string =>
      'data' in one
        ? typeof one.data === 'string'
          ? one.data
          : Array.isArray(one.data)
            ? one.data.map(String).join('')
            : ''
        : ''
    resolve({
      rcode: packet.rcode,
      answers: (packet.answers ?? []).map(text),
      authority: (packet.authorities ?? []).map((one) => one.type),
      aa: packet.flag_aa,
    })
  })
  socket.send(
    dnsPacket.encode({ type: 'query', id: 7, flags: 0, questions: [{ type: type as 'AAAA', name }] }),
    port,
    '127.0.0.1',
  )
  return promise
}

describe('names, asked of a real name server', { timeout: 600_000 }, () => {
  let folder: string
  let knotd: ChildProcess
  let port: number
  let t: TestBook
  let names: NameBook
  let server: KnotNames
  let place: { zoneFolder: string; stateFolder: string; runFolder: string; listen: string[] }
  const identity = (host: string) => installationId(31_337, contractOf(host)) as Identity
  let prefix: string
  const within = (end: string): string => prefix.replace('::/64', `::${end}`)

  async function startKnot(): Promise<void> {
    knotd = spawn('knotd', ['-c', join(folder, 'knot.conf')], { stdio: 'ignore' })
    const deadline = performance.now() + 60_000
    for (;;) {
      if (
        await run('knotc', ['--socket', join(folder, 'run/knot.sock'), 'status'], { timeout: 2000 }).then(
          () => true,
          () => false,
        )
      )
        return
      assert.ok(performance.now() < deadline && knotd.exitCode === null, 'knotd does not start')
      await systemClock.wait(50)
    }
  }
  async function stopKnot(): Promise<void> {
    const ended = new Promise((resolve) => knotd.once('exit', resolve))
    knotd.kill('SIGTERM')
    await ended
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'broker-names-'))
    port = await getPort({ host: '127.0.0.1' })
    place = {
      zoneFolder: join(folder, 'zones'),
      stateFolder: join(folder, 'state'),
      runFolder: join(folder, 'run'),
      listen: [`127.0.0.1@${port}`],
    }
    for (const one of ['zones', 'state', 'run']) await mkdir(join(folder, one))
    t = testBook()
    await writeFile(join(folder, 'knot.conf'), knotConfig(place, zone, t.book.pool.network))
    await run('knotc', ['-c', join(folder, 'knot.conf'), 'conf-check'], { timeout: 10_000 })
    await startKnot()
    const db = new BrokerDatabase(t.path)
    names = new NameBook(db, t.book.leases)
    const facts = {
      zone,
      nameServer: `ns.${zone}`,
      nameServerAddresses: ['203.0.113.1', '2001:db8:b00::1'],
      hostmaster: 'hostmaster@example.org',
    }
    server = new KnotNames({ place, facts, pool: t.book.pool.network, names, db, clock: t.clock })
    prefix = t.book.handle(t.ask('host'), t.clock.now()).prefix
    t.book.handle(t.ask('other'), t.clock.now())
    await server.publish()
  })
  after(async () => {
    await stopKnot()
    t.close()
    await rm(folder, { recursive: true })
  })

  for (const [label, seen] of [
    ['*', /wildcard/],
    ['x'.repeat(64), /64 characters/],
    ['pаypal', /beyond ASCII and looks like "paypal"/],
    ['xn--pypal-4ve', /beyond ASCII and looks like "paypal"/],
    ['ｗeb', /beyond ASCII/],
    ['adm1n', /looks like admin, which is reserved/],
    ['www', /reserved/],
    ['a.b', /more than one label/],
    ['-a', /no host name/],
    ['a\nb AAAA ::1', /beyond ASCII|no host name/],
    ['a b', /beyond ASCII|no host name/],
    ['a"b', /no host name/],
    ['_acme-challenge', /no host name/],
    ['@', /no host name/],
    ['', /no host name/],
  ] as const) {
    it(`refuses the label ${JSON.stringify(label.slice(0, 24))}`, () => {
      const before = names.served()
      assert.throws(() => names.set(identity('host'), label, within('5'), t.clock.now()), {
        code: 'broker-name-refused',
        detail: seen,
      })
      assert.deepEqual(names.served(), before)
    })
  }
  for (const [address, seen] of [
    ['2001:db9::5', /not in the lease's prefix/],
    ['fd00::5', /not in the lease's prefix/],
    ['10.0.0.5', /no IPv6 address/],
    ['::1\n', /no address/],
    ['2001:db8:b00::/64', /no single address/],
  ] as const) {
    it(`refuses a name for the address ${JSON.stringify(address)}`, () => {
      assert.throws(() => names.set(identity('host'), 'shop', address, t.clock.now()), { code: 'bad-input', detail: seen })
    })
  }

  it('serves AAAA forward and PTR reverse, SOA, NS and glue', async () => {
    names.set(identity('host'), 'Shop', within('5'), t.clock.now())
    await server.publish()
    const forward = await ask(port, `shop.${zone}`, 'AAAA')
    assert.deepEqual([forward.rcode, forward.aa, forward.answers], ['NOERROR', true, [within('5')]])
    assert.equal((await ask(port, `ns.${zone}`, 'AAAA')).answers[0], '2001:db8:b00::1')
    assert.deepEqual((await ask(port, zone, 'NS')).answers, [`ns.${zone}`])
    const { stdout } = await run('kdig', ['@127.0.0.1', '-p', String(port), '+short', '-x', within('5')], { timeout: 10_000 })
    assert.equal(stdout.trim(), `shop.${zone}.`)
    const tcp = await run('kdig', ['@127.0.0.1', '-p', String(port), '+tcp', '+short', 'AAAA', `shop.${zone}`], {
      timeout: 10_000,
    })
    assert.equal(tcp.stdout.trim(), within('5'))
  })

  it('answers NXDOMAIN for what has no name, and nothing for another zone', async () => {
    const none = await ask(port, `nobody.${zone}`, 'AAAA')
    assert.deepEqual([none.rcode, none.answers, none.authority], ['NXDOMAIN', [], ['SOA']])
    assert.equal((await ask(port, 'example.net', 'AAAA')).rcode, 'REFUSED')
    assert.equal((await ask(port, `nobody.shop.${zone}`, 'AAAA')).rcode, 'NXDOMAIN', 'no wildcard anywhere')
  })

  it('gives no zone away', async () => {
    const { stdout } = await run('kdig', ['@127.0.0.1', '-p', String(port), '+tcp', 'AXFR', zone], { timeout: 10_000 }).catch(
      (error) => error as { stdout: string },
    )
    assert.doesNotMatch(stdout, new RegExp(within('5')))
  })

  it('refuses a name that another holds, and one that looks like it', () => {
    for (const [label, seen] of [
      ['shop', /shop is taken/],
      ['sh0p', /looks like shop, which is taken/],
      ['s-hop', /looks like shop, which is taken/],
    ] as const) {
      assert.throws(() => names.set(identity('other'), label, '2001:db8:b00::9', t.clock.now()), {
        code: /bad-input|broker-name-refused/,
      })
      const other = t.book.leases.liveOf(identity('other'))?.prefix.replace('::/64', '::9') ?? ''
      assert.throws(() => names.set(identity('other'), label, other, t.clock.now()), {
        code: 'broker-name-refused',
        detail: seen,
      })
    }
    assert.equal(names.remove(identity('other'), 'shop'), false)
  })

  it('ACME DNS-01: a proof for one’s own name is served, and gone after an hour', async () => {
    const value = 'a'.repeat(43)
    assert.throws(() => names.prove(identity('other'), 'shop', value, t.clock.now()), {
      code: 'broker-name-refused',
      detail: /not a name of this/,
    })
    for (const bad of ['', 'a'.repeat(44), `${'a'.repeat(42)}"`, `${'a'.repeat(42)}\n`]) {
      assert.throws(() => names.prove(identity('host'), 'shop', bad, t.clock.now()), { code: 'bad-input' })
    }
    names.prove(identity('host'), 'shop', value, t.clock.now())
    names.prove(identity('host'), 'shop', 'b'.repeat(43), t.clock.now())
    await server.publish()
    const proofs = await ask(port, `_acme-challenge.shop.${zone}`, 'TXT')
    assert.deepEqual(proofs.answers.toSorted(), [value, 'b'.repeat(43)])
    t.clock.seconds += 3600
    await server.publish()
    assert.equal((await ask(port, `_acme-challenge.shop.${zone}`, 'TXT')).rcode, 'NXDOMAIN')
  })

  it('a suspended prefix has no names; resumed it has them again', async () => {
    const id = t.book.leases.liveOf(identity('host'))?.id ?? ''
    t.book.suspend(id, 'abuse', t.clock.now())
    await server.publish()
    assert.equal((await ask(port, `shop.${zone}`, 'AAAA')).rcode, 'NXDOMAIN')
    t.book.resume(id, t.clock.now())
    await server.publish()
    assert.deepEqual((await ask(port, `shop.${zone}`, 'AAAA')).answers, [within('5')])
  })

  it('the name server alone, restarted, serves what it served; a broker that finds it dead says so', async () => {
    await stopKnot()
    names.set(identity('host'), 'later', within('6'), t.clock.now())
    await assert.rejects(server.publish(), { code: 'broker-dns-failed' })
    await startKnot()
    assert.deepEqual((await ask(port, `shop.${zone}`, 'AAAA')).answers, [within('5')])
    await server.publish()
    assert.deepEqual((await ask(port, `later.${zone}`, 'AAAA')).answers, [within('6')])
  })

  it('no name outlives its lease', async () => {
    t.book.handle(t.ask('host', { verb: 'release' }), t.clock.now())
    await server.publish()
    assert.equal((await ask(port, `shop.${zone}`, 'AAAA')).rcode, 'NXDOMAIN')
    assert.deepEqual(names.served(), [])
  })
})
