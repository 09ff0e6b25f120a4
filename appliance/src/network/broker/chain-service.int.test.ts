import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { toQuantity } from 'ethers'
import { generateKeyPair } from 'wireguard-ts/key'
import { FakeDataPath } from '../../broker/fake/fake-data-path.ts'
import { startTestRegistry, fee, type TestRegistry } from '../../broker/test-registry.ts'
import { RpcClient } from '../../chain/rpc.ts'
import { sendOnce } from '../../chain/send-once.ts'
import { systemClock } from '../../clock/clock.ts'
import { createChainService, type Pending } from './chain-service.ts'
import { createBrokerClient } from './client.ts'
import { FakeBrokers } from './fake/fake-brokers.ts'
import { registeredBrokers } from './registry-brokers.ts'

const pool = '2a01:7e00:a00::/48'

suite('brokers by the registry alone: a real chain, a real broker, nobody’s page', { timeout: 600_000 }, () => {
  let t: TestRegistry
  let client: RpcClient
  const stop = new AbortController()
  let answering: Promise<void> = Promise.resolve()
  const { publicKey } = generateKeyPair()
  const pending = new Map<string, Pending>()
  let sent = 0
  let failing: Error | undefined
  let answers = true

  before(async () => {
    const contact = { wireguardKey: generateKeyPair().publicKey, endpoint: '45.33.32.2:51820', address: '2a01:7e00:a00::1' }
    t = await startTestRegistry({ packets: { dataPath: new FakeDataPath(), pool, contact } })
    client = new RpcClient({ url: t.chain.url })
    answering = (async () => {
      while (!stop.signal.aborted) {
        // its first blocks know no registry at the finalized depth
        if (answers) await t.path.pass().catch(() => undefined)
        await systemClock.wait(50, stop.signal)
      }
    })()
  })
  after(async () => {
    stop.abort()
    await answering
    await t.close()
  })

  const brokers = () =>
    registeredBrokers((method, params) => client.call(method, params), { chainId: 31_337, registry: t.registryAddress })
  const service = (more: { withinSeconds?: number } = {}) =>
    createChainService({
      brokers,
      chainId: 31_337,
      registry: t.registryAddress,
      contract: t.chain.contract,
      asker: t.provisioner.address,
      async send(transaction) {
        if (failing !== undefined) throw failing
        const key = {
          address: t.provisioner.address.toLowerCase() as `0x${string}`,
          sign: (tx: Parameters<typeof t.provisioner.signTransaction>[0]) => t.provisioner.signTransaction(tx),
          signText: (text: string) => t.provisioner.signMessage(text),
        }
        const options = { client, chainId: 31_337, key, clock: systemClock, maxFeeWei: 10n ** 17n, pollMs: 50 }
        await sendOnce({ ...options, busy: async () => false }, transaction)
        sent += 1
      },
      call: (method, params) => client.call(method, params),
      givingBlock: async () => toQuantity((await t.registry.heads()).giving.number),
      pending: {
        get: async (key) => pending.get(key),
        put: async (key, value) => void (value === undefined ? pending.delete(key) : pending.set(key, value)),
      },
      publicKey: async () => publicKey,
      clock: systemClock,
      pollMs: 50,
      ...more,
    })
  const offer = async () => (await service().offers())[0] ?? assert.fail()

  test('denies an answer of another broker than asked, by the registry’s own word', async () => {
    const wrong = { ...(await offer()), name: { id: 'nobody', pool: (await offer()).name.pool } }
    await assert.rejects(service().request(wrong, { publicKey, prefixLength: 64 }), { code: 'not-found' })
  })

  test('tells the broker’s refusal by its own code, the fee goes back, the next try is a new question', async () => {
    const before = sent
    const lying = { ...(await offer()) }
    await assert.rejects(service().renew({ ...(await grantLike()), broker: lying.name }), { code: 'broker-no-lease' })
    assert.equal(sent, before + 1)
    assert.equal(pending.size, 0)
  })

  test('the client gets a lease, renews it and gives it back', async () => {
    const world = new FakeBrokers(systemClock)
    const asker = createBrokerClient({
      service: { ...service(), name: async () => undefined, prove: async () => undefined },
      host: Object.assign(Object.create(world) as FakeBrokers, { publicKey: async () => publicKey, probe: async () => 5 }),
      store: world,
      clock: systemClock,
      policy: { count: 1, maxPricePerDay: fee, minTermSeconds: 0, regions: [], pinned: [] },
      log: () => undefined,
    })
    await asker.round()
    await asker.round()
    const [tunnel] = asker.tunnels()
    assert.equal(tunnel?.state, 'up', JSON.stringify(asker.troubles()))
    assert.match(tunnel.tunnel.grant.prefix, /^2a01:7e00:a00:.*\/64$/)
    assert.equal(t.broker.book.leases.live()[0]?.prefix, tunnel.tunnel.grant.prefix)
    const renewed = await service().renew(tunnel.tunnel.grant)
    assert.equal(renewed.prefix, tunnel.tunnel.grant.prefix)
    await service().release(renewed)
    assert.deepEqual(t.broker.book.leases.live(), [])
  })

  test('killed between question and answer: the next start finds its question and pays no second fee', async () => {
    const before = sent
    answers = false
    await assert.rejects(service({ withinSeconds: 0 }).request(await offer(), { publicKey, prefixLength: 64 }), {
      code: 'timed-out',
    })
    assert.equal(sent, before + 1)
    answers = true
    const grant = await service().request(await offer(), { publicKey, prefixLength: 64 })
    assert.equal(sent, before + 1)
    assert.equal(t.broker.book.leases.live()[0]?.prefix, grant.prefix)
  })

  test('what could not be sent is asked anew', async () => {
    failing = new Error('no node')
    await assert.rejects(service().renew(await grantLike()), /no node/)
    failing = undefined
    const before = sent
    assert.equal((await service().renew(await grantLike())).prefix, t.broker.book.leases.live()[0]?.prefix)
    assert.equal(sent, before + 1)
  })

  async function grantLike() {
    const { name } = await offer()
    const now = systemClock.now()
    return {
      broker: name,
      prefix: name.pool,
      publicKey,
      endpoint: { host: '45.33.32.2', port: 51_820 },
      gateway: '2a01:7e00:a00::1',
      mtu: 1420,
      zone: '',
      from: now,
      until: now,
      graceUntil: now,
      saidAt: now,
    }
  }
})
