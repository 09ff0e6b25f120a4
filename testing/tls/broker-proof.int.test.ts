import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import getPort from 'get-port'
import { publicServer } from '@freehold/appliance/broker/http/public-server'
import { KnotNames, knotConfig, type KnotPlace } from '@freehold/appliance/broker/names/knot'
import { NameBook } from '@freehold/appliance/broker/names/name-book'
import { nameRoutes } from '@freehold/appliance/broker/names/routes'
import { startTestRegistry, type TestRegistry } from '@freehold/appliance/broker/test-registry'
import { systemClock } from '@freehold/appliance/clock/clock'
import type { Grant } from '@freehold/appliance/network/broker/grant'
import { createHttpService } from '@freehold/appliance/network/broker/http-service'
import { createVmNames } from '@freehold/appliance/network/broker/vm-names'
import { ownAddress } from '@freehold/appliance/network/ip'
import { until } from '@freehold/appliance/dev/supervisor'
import { createCertificates, type Certificates, type TlsSubject } from '@freehold/appliance/setup/tls/certificates'
import { parseCidr } from 'wireguard-ts/address'
import { parsePublicKey } from 'wireguard-ts/key'
import type { z } from 'zod'
import { startAcmeStand, type AcmeStand } from '../stands/acme.ts'

const zone = 'vm.example.org'
const host = `box.${zone}`
const run = promisify(execFile)

// A host that no port 80 leads to: a real ACME authority asks the real name server of a broker, which the host's own client tells.
suite('the certificate of a name in a broker’s zone', { timeout: 600_000 }, () => {
  let folder = ''
  let t: TestRegistry
  let app: ReturnType<typeof publicServer>
  let knotd: ChildProcess
  let acme: AcmeStand
  let names: NameBook
  let dns = 0
  let state: 'up' | 'silent' = 'silent'
  let certificates: Certificates
  let hostNames: ReturnType<typeof createVmNames>
  let grant: Grant
  const aborts = new AbortController()

  before(async () => {
    folder = await mkdtemp('/tmp/fh-broker-proof-')
    dns = await getPort({ host: '127.0.0.1' })
    const place: KnotPlace = {
      zoneFolder: join(folder, 'zones'),
      stateFolder: join(folder, 'knot'),
      runFolder: join(folder, 'run'),
      listen: [`127.0.0.1@${dns}`],
    }
    for (const one of [place.zoneFolder, place.stateFolder, place.runFolder]) await mkdir(one)
    let server: KnotNames | undefined
    t = await startTestRegistry({ names: { publish: async () => await server?.publish() } })
    const pool = t.broker.book.pool.network
    await writeFile(join(folder, 'knot.conf'), knotConfig(place, zone, pool))
    knotd = spawn('knotd', ['-c', join(folder, 'knot.conf')], { stdio: 'ignore' })
    const control = ['--socket', join(place.runFolder, 'knot.sock'), 'status']
    await until('Knot DNS', 60, () =>
      run('knotc', control, { timeout: 5000 }).then(
        () => true,
        () => false,
      ),
    )
    names = new NameBook(t.db, t.broker.book.leases)
    const facts = { zone, nameServer: `ns.${zone}`, nameServerAddresses: ['203.0.113.1'], hostmaster: 'hostmaster@example.org' }
    server = new KnotNames({ place, facts, pool, names, db: t.db, clock: systemClock })
    await server.publish()
    const log = { info: () => undefined, error: () => undefined }
    app = publicServer({
      broker: t.broker,
      registry: t.registry,
      region: 'eu',
      sign: (text) => t.agent.sign(text),
      log,
      names: nameRoutes(t.broker, t.registry, names),
    })
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const request = t.request()
    const answer = await t.broker.handle({ request, paid: true, listed: false, source: { kind: 'http' }, settled: true })
    const prefix = parseCidr(answer.lease.prefix)
    const name = { id: 'file:b', pool }
    grant = {
      broker: name,
      prefix,
      publicKey: parsePublicKey(request.broker),
      endpoint: { host: '45.33.32.2', port: 51_820 },
      gateway: '2a01:7e00:a00::1',
      mtu: 1420,
      zone,
      from: answer.lease.from,
      until: answer.lease.until,
      graceUntil: answer.lease.graceUntil,
      saidAt: answer.lease.from,
    }
    const service = createHttpService({
      known: async () => [{ ...name, url, agent: t.agent.address, capacity: 0, pricePerDay: 0n }],
      chainId: 31_337,
      contract: t.chain.contract,
      sign: (text) => t.provisioner.signMessage(text),
      publicKey: async () => parsePublicKey(request.wireguardKey),
      clock: systemClock,
    })
    const kept = new Map<string, unknown>()
    hostNames = createVmNames({
      service,
      tunnels: () => [{ tunnel: { grant, endpoint: grant.endpoint, lookedUpAt: 0, addedAt: 0 }, state }],
      vms: () => [],
      own: [host, `wasm.${host}`, 'wasm-of-box.vm.example.org', 'elsewhere.example'],
      settings: {
        get: async <S extends z.ZodType>(key: string, schema: S) => (kept.has(key) ? schema.parse(kept.get(key)) : undefined),
        put: async (key, value) => void kept.set(key, value),
      },
      now: systemClock.now,
      log: () => undefined,
    })
    acme = await startAcmeStand(join(folder, 'acme'), `127.0.0.1:${dns}`)
    certificates = createCertificates({
      stateFolder: folder,
      clock: systemClock,
      front: { httpPort: acme.httpPort, reload: async () => undefined, announced: async () => undefined },
      zoneProofs: () => hostNames,
      log: () => undefined,
    })
  })
  after(async () => {
    aborts.abort()
    await acme?.stop()
    if (knotd?.exitCode === null) {
      const gone = once(knotd, 'exit')
      knotd.kill('SIGKILL')
      await gone
    }
    await app?.close()
    await t?.close()
    // what was aborted may still write a last file
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })

  const subject = (name = host): TlsSubject => ({
    origin: `https://${name}`,
    listen: { api: 'run/api.sock', web: '127.0.0.1:9', login: '127.0.0.1:7443' },
    tls: {
      kind: 'acme',
      proof: 'broker',
      directory: acme.directory,
      authorityFile: acme.authorityFile,
      termsAgreed: true,
    },
  })
  const refused = (seen: RegExp) => (error: { code?: string; detail?: string }) => {
    assert.equal(error.code, 'certificate-refused', JSON.stringify(error))
    assert.match(error.detail ?? '', seen)
    return true
  }

  test('denies: no tunnel yet, a name that is not served yet, a name elsewhere, one below a label; the authority is not asked', async () => {
    const get = (name?: string) => certificates.prepare(subject(name), aborts.signal)
    await assert.rejects(get(), refused(/No broker that answers serves the zone of box\.vm\.example\.org/))
    state = 'up'
    await assert.rejects(get(), refused(/file:b does not serve box\.vm\.example\.org for this host/))
    for (const other of ['elsewhere.example', `wasm.${host}`, `stranger.${zone}`]) {
      await assert.rejects(get(other), refused(new RegExp(`No broker that answers serves the zone of ${other}`)))
    }
    assert.equal(acme.issued(), 0)
    assert.equal((await readdir(folder)).includes('secrets'), false, 'no account was made')
    assert.equal(await certificates.store.next(), undefined)
  })

  test('a name of the host is nobody’s to choose for a VM', async () => {
    const vm = { vmId: '0123456789ab-1' as const, mac: '52:54:00:00:00:01' }
    await assert.rejects(hostNames.choose(vm, 'Box'), { code: 'broker-name-refused', detail: /name of this host itself/ })
  })

  test('the broker leads the name to the host, the proof lies in its zone, and the authority gives the certificate', async () => {
    await hostNames.pass()
    const { stdout } = await run('kdig', ['@127.0.0.1', '-p', String(dns), '+short', 'AAAA', host], { timeout: 10_000 })
    assert.equal(stdout.trim(), ownAddress(grant.prefix))
    assert.deepEqual(
      names.served().map(({ label }) => label),
      ['box', 'wasm-of-box'],
    )
    // whoever listens at the name's port 80 is not asked
    const asked: string[] = []
    const web = createServer((request, answer) => (asked.push(request.url ?? ''), answer.end())).listen(
      acme.httpPort,
      '127.0.0.1',
    )
    try {
      const known = await certificates.prepare(subject(), aborts.signal)
      assert.deepEqual(known.names, [host])
      assert.deepEqual([asked, acme.issued()], [[], 1])
    } finally {
      web.close()
    }
    const proof = await run('kdig', ['@127.0.0.1', '-p', String(dns), '+short', 'TXT', `_acme-challenge.${host}`], {
      timeout: 10_000,
    })
    assert.match(proof.stdout, /^"[A-Za-z0-9_-]{43}"$/m)
  })

  test('WASM hosting at a label of its own: one certificate for both names', async () => {
    const both: TlsSubject = { ...subject(), wasm: { enabled: true, url: `https://wasm-of-box.${zone}` } }
    const known = await certificates.prepare(both, aborts.signal)
    assert.deepEqual(known.names.toSorted(), [host, `wasm-of-box.${zone}`])
  })

  test('a running host waits for its broker and then asks by itself, announces the first one, and switches', async () => {
    await certificates.store.switchOver()
    await rm(join(folder, 'tls/site'), { force: true })
    state = 'silent'
    const waits: number[] = []
    const waiting = Promise.withResolvers<void>()
    const kept = createCertificates({
      stateFolder: folder,
      clock: {
        now: systemClock.now,
        monotonicMs: systemClock.monotonicMs,
        async wait(ms, signal) {
          waits.push(ms)
          if (waits.length === 1) await waiting.promise
          else await systemClock.wait(ms, signal)
        },
      },
      front: {
        httpPort: acme.httpPort,
        reload: async () => undefined,
        announced: async () => void announced.push(acme.issued()),
      },
      zoneProofs: () => hostNames,
      log: () => undefined,
    })
    const announced: number[] = []
    const before = acme.issued()
    const stop = kept.keep(subject())
    try {
      await until('the first look', 60, async () => waits.length > 0)
      assert.match((await kept.state()).trouble ?? '', /No broker that answers/)
      assert.deepEqual([waits[0], acme.issued()], [10_000, before], 'soon again, and the authority was not troubled')
      state = 'up'
      waiting.resolve()
      await until('the certificate', 60, async () => (await kept.state()).present !== undefined)
      assert.deepEqual([announced, (await kept.state()).trouble], [[before + 1], null])
    } finally {
      stop()
      waiting.resolve()
    }
  })
})
