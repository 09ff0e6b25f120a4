import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { parseCidr } from 'wireguard-ts/address'
import { generateKeyPair } from 'wireguard-ts/key'
import { FakeDataPath } from '../../broker/fake/fake-data-path.ts'
import { publicServer } from '../../broker/http/public-server.ts'
import { startTestRegistry, type TestRegistry } from '../../broker/test-registry.ts'
import { systemClock } from '../../clock/clock.ts'
import { createBrokerClient } from './client.ts'
import { FakeBrokers } from './fake/fake-brokers.ts'
import { createHttpService, type KnownBroker } from './http-service.ts'

const pool = parseCidr('2a01:7e00:a00::/48')

suite('a broker’s signed HTTP path, asked by the host', { timeout: 600_000 }, () => {
  let t: TestRegistry
  let app: ReturnType<typeof publicServer>
  let known: KnownBroker
  let odd: Server
  let say: () => { status: number; body: string } = () => ({ status: 200, body: '' })
  const { publicKey } = generateKeyPair()

  before(async () => {
    const wireguardKey = generateKeyPair().publicKey
    const contact = { wireguardKey, endpoint: '45.33.32.2:51820', address: '2a01:7e00:a00::1' }
    t = await startTestRegistry({ packets: { dataPath: new FakeDataPath(), pool, contact } })
    const log = { info: () => undefined, error: () => undefined }
    app = publicServer({ broker: t.broker, registry: t.registry, region: 'eu', sign: (text) => t.agent.sign(text), log })
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    known = { id: 'real', pool, url, agent: t.agent.address, capacity: 0, pricePerDay: 0n }
    odd = createServer((_, answer) => {
      const { status, body } = say()
      answer.writeHead(status, { 'content-type': 'application/json' }).end(body)
    }).listen(0, '127.0.0.1')
  })
  after(async () => {
    odd.close()
    await app.close()
    await t.close()
  })

  const serviceOf = (one: KnownBroker) =>
    createHttpService({
      known: async () => [one],
      chainId: 31_337,
      contract: t.chain.contract,
      sign: (text) => t.provisioner.signMessage(text),
      publicKey: async () => publicKey,
      clock: systemClock,
    })
  const offerOf = async (one: KnownBroker) => (await serviceOf(one).offers())[0] ?? assert.fail()

  test('denies an answer that another than the named agent signed', async () => {
    await t.list(t.chain.contract, true)
    const other = { ...known, agent: t.provisioner.address }
    await assert.rejects(serviceOf(other).request(await offerOf(other), { publicKey, prefixLength: 64 }), {
      code: 'broker-offer-refused',
      detail: /not signed by the agent/,
    })
    await t.list(t.chain.contract, false)
  })

  test('tells the broker’s refusal by its own code', async () => {
    const clean = await offerOf(known)
    await t.list(t.chain.contract, false)
    const stranger = createHttpService({
      known: async () => [known],
      chainId: 31_337,
      contract: t.chain.contract,
      sign: async () => `0x${'11'.repeat(65)}`,
      publicKey: async () => publicKey,
      clock: systemClock,
    })
    await assert.rejects(stranger.request(clean, { publicKey, prefixLength: 64 }), { code: 'broker-signature-invalid' })
  })

  for (const [what, answer] of [
    ['what is no JSON', { status: 200, body: '<html>' }],
    ['JSON of another shape', { status: 200, body: '{"answer":7}' }],
    ['more than an answer holds', { status: 200, body: `"${'x'.repeat(100_000)}"` }],
    ['an error without words', { status: 500, body: '' }],
    ['a code that nobody knows', { status: 400, body: '{"code":"__proto__","detail":"x"}' }],
  ] as const) {
    test(`denies ${what}`, async () => {
      say = () => answer
      const one = { ...known, url: `http://127.0.0.1:${(odd.address() as AddressInfo).port}` }
      assert.equal((await offerOf(one)).latencyMs, undefined)
      await assert.rejects(serviceOf(one).renew({ broker: one } as never), { code: 'broker-offer-refused' })
    })
  }

  test('the client gets a lease, renews it and gives it back: real broker, real chain, real signatures', async () => {
    await t.list(t.chain.contract, true)
    const world = new FakeBrokers(systemClock)
    world.publicKey = async () => publicKey
    world.probe = async () => 7
    const service = serviceOf(known)
    const policy = { count: 1, maxPricePerDay: 0n, minTermSeconds: 3600, regions: ['eu'], pinned: [] }
    const client = createBrokerClient({ service, host: world, store: world, clock: systemClock, policy, log: () => undefined })
    await client.round()
    assert.deepEqual(
      client.troubles().filter((trouble) => trouble.kind !== 'tunnel-down'),
      [],
    )
    await client.round()
    const [first] = client.tunnels()
    assert.equal(first?.state, 'up')
    const grant = first?.tunnel.grant ?? assert.fail()
    assert.equal(t.broker.book.leases.live()[0]?.prefix, grant.prefix)
    assert.ok(grant.presharedKey !== undefined)
    const renewed = await service.renew(grant).catch((error: { code: string }) => error.code)
    // a fresh lease is paid for long enough, or is renewed with the same prefix: never another one
    assert.ok(renewed === 'broker-too-far-ahead' || (typeof renewed === 'object' && renewed.prefix === grant.prefix))
    await service.release(grant)
    assert.deepEqual(t.broker.book.leases.live(), [])
  })
})
