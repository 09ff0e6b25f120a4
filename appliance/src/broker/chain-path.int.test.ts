import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { brokerRegistryAddress, deployBrokerRegistry } from '@freehold/contracts/broker-registry'
import { generateKeyPair } from 'wireguard-ts/key'
import { refusalCodes } from './requests/refusal-codes.ts'
import { startTestRegistry, type TestRegistry } from './test-registry.ts'
import type { Answer } from './requests/answer.ts'

const refused = 3
const granted = 2

describe('requests on a real chain', { timeout: 600_000 }, () => {
  let t: TestRegistry
  before(async () => {
    t = await startTestRegistry()
  })
  after(() => t.close())

  const answers = async (id: bigint) => {
    const { outcome, code } = await t.outcome(id)
    return { outcome, code }
  }

  it('the registry lies where every chain has it, and a second deployment finds it', async () => {
    assert.equal(t.registryAddress, brokerRegistryAddress)
    assert.equal(await deployBrokerRegistry(t.chain.alice), brokerRegistryAddress)
  })

  it('N1 a poison request costs one answer, and no later pass costs another', async () => {
    const id = await t.askOnChain(crypto.getRandomValues(new Uint8Array(300)))
    const before = await t.agent.balance()
    assert.equal(await t.path.pass(), 1)
    assert.deepEqual(await answers(id), { outcome: refused, code: refusalCodes['broker-unreadable'] })
    const afterwards = await t.agent.balance()
    assert.ok(afterwards < before)
    for (let i = 0; i < 3; i += 1) assert.equal(await t.path.pass(), 0)
    assert.equal(await t.agent.balance(), afterwards)
    assert.deepEqual(t.broker.book.leases.all(), [])
  })

  it('refuses another’s question that was copied: it does not open in another’s name', async () => {
    const id = await t.askOnChain({})
    // the same bytes, asked by another address
    const row = await t.registry.heads().then((view) => t.registry.request(view, view.latest, id))
    await t.path.pass()
    const copied = await t.askOnChain(Buffer.from((row?.question ?? '').slice(2), 'hex'), { from: t.provisioner })
    await t.path.pass()
    // from the same asker it is the same request once more: told again, and nothing given twice
    assert.equal((await answers(copied)).outcome, granted)
    assert.equal(t.broker.book.leases.live().length, 1)
    await t.askOnChain({ verb: 'release' })
    await t.path.pass()
  })

  for (const [what, fields, code] of [
    ['a question for another broker', { broker: generateKeyPair().publicKey }, 'bad-input'],
    ['a question for another contract', { contract: '0x0000000000000000000000000000000000000001' }, 'bad-input'],
    ['a zero key', { wireguardKey: Buffer.alloc(32).toString('base64') }, 'bad-input'],
    ['a key of 31 bytes', { wireguardKey: Buffer.alloc(31, 7).toString('base64') }, 'bad-input'],
    ['a key that is no canonical base64', { wireguardKey: `${'A'.repeat(42)}B=` }, 'bad-input'],
    ['a key with a newline', { wireguardKey: `${generateKeyPair().publicKey}\n` }, 'bad-input'],
    ['an answer key that is no point', { answerKey: Buffer.alloc(65, 4).toString('base64') }, 'bad-input'],
    ['no answer key', { answerKey: undefined as unknown as string }, 'bad-input'],
    ['a clock years ahead', { issuedAt: 4_000_000_000, expiresAt: 4_000_000_300 }, 'broker-clock-off'],
    ['a clock years behind', { issuedAt: 1_600_000_000, expiresAt: 1_600_000_300 }, 'broker-clock-off'],
    ['a prefix of somebody else', { prefix: '2a00::/64' }, 'bad-input'],
    ['a renewal without lease', { verb: 'renew' }, 'broker-no-lease'],
  ] as const) {
    it(`refuses ${what}, gives the fee back, changes nothing`, async () => {
      const live = t.broker.book.leases.live()
      const id = await t.askOnChain(fields)
      assert.equal(await t.path.pass(), 1)
      assert.deepEqual(await answers(id), { outcome: refused, code: refusalCodes[code] })
      assert.deepEqual(t.broker.book.leases.live(), live)
    })
  }

  it('grants a paid request: the peer stands before the answer, which only its host can read', async (test) => {
    const id = await t.askOnChain({ presharedKey: true })
    const begun = performance.now()
    const apply = t.dataPath.apply.bind(t.dataPath)
    let stoodMs = Number.NaN
    t.dataPath.apply = (state) => {
      stoodMs = performance.now() - begun
      return apply(state)
    }
    assert.equal(await t.path.pass(), 1)
    t.dataPath.apply = apply
    test.diagnostic(`from the look at the chain to the data path: ${stoodMs.toFixed(0)} ms`)
    assert.ok(stoodMs > 0)
    assert.equal((await answers(id)).outcome, granted)
    const { lease, broker } = (await t.opened(id)) as Answer
    assert.match(lease.prefix, /^2001:db8:b00:.*\/64$/)
    assert.equal(broker.zone, 'vm.example.org')
    assert.equal(t.dataPath.standing.find((one) => one.id === lease.id)?.prefix, lease.prefix)
    const { answer } = await t.outcome(id)
    assert.ok(!Buffer.from(answer.slice(2), 'hex').includes(lease.prefix.split('/')[0] ?? '-'), 'nothing readable on chain')
  })

  it('killed after the decision and before the answer: the same answer is sent, nothing is given twice', async () => {
    const id = await t.askOnChain({ verb: 'renew' })
    const send = t.agent.answer.bind(t.agent)
    t.agent.answer = () => Promise.reject(new Error('killed'))
    assert.equal(await t.path.pass(), 0)
    const [before] = t.broker.book.leases.live()
    t.agent.answer = send
    assert.equal(await t.path.pass(), 1)
    assert.equal((await answers(id)).outcome, granted)
    assert.equal(t.broker.book.leases.live()[0]?.until, before?.until)
    assert.equal(((await t.opened(id)) as Answer).lease.until, before?.until)
  })

  it('a network that cannot be set is no answer: it waits, and is granted when it can', async () => {
    t.dataPath.failing = true
    const id = await t.askOnChain({ wireguardKey: generateKeyPair().publicKey })
    assert.equal(await t.path.pass(), 0)
    assert.equal((await answers(id)).outcome, 1)
    t.dataPath.failing = false
    assert.equal(await t.path.pass(), 1)
    assert.equal((await answers(id)).outcome, granted)
  })

  it('a lease is settled when its request is finalized', async () => {
    await t.chain.mine(5)
    await t.path.pass()
    assert.deepEqual(
      t.broker.book.leases.live().map((lease) => lease.settled),
      [true],
    )
  })

  it('a reorganised request: the lease stays until a finalized block shows that it was never asked for', async () => {
    await t.askOnChain({ verb: 'release' })
    await t.path.pass()
    await t.chain.mine(5)
    await t.path.pass()
    const snapshot = await t.chain.rpc('evm_snapshot')
    const id = await t.askOnChain({ wireguardKey: generateKeyPair().publicKey })
    await t.path.pass()
    assert.equal((await answers(id)).outcome, granted)
    const [lease] = t.broker.book.leases.live()
    assert.ok(lease)
    // the node takes the request back, as a reorganisation does
    await t.chain.rpc('evm_revert', snapshot)
    await t.path.pass()
    assert.equal(t.broker.book.leases.byId(lease.id)?.endedAt, undefined, 'not taken at latest alone')
    await t.chain.advance(120)
    await t.chain.mine(5)
    await t.path.pass()
    assert.equal(t.broker.book.leases.byId(lease.id)?.endReason, 'reorganised')
    assert.deepEqual(t.dataPath.standing, [])
    // the id is asked again, by another question: another request
    const again = await t.askOnChain({ wireguardKey: generateKeyPair().publicKey })
    assert.equal(again, id)
    await t.path.pass()
    assert.equal((await answers(again)).outcome, granted)
    const [next] = t.broker.book.leases.live()
    assert.equal(next?.prefix, lease.prefix, 'sticky')
    assert.notEqual(next?.id, lease.id)
  })

  it('the chain does not answer: nothing is ended, whatever our clock says', async () => {
    const [lease] = t.broker.book.leases.live()
    assert.ok(lease)
    t.broker.book.leases.renew(lease, lease.from - 2, lease.from - 1, lease.from)
    const taking = t.registry.takingTime.bind(t.registry)
    t.registry.takingTime = () => Promise.resolve(undefined)
    assert.equal((await t.broker.tick()).ended, 0)
    t.registry.takingTime = taking
    await t.chain.mine(5)
    assert.equal((await t.broker.tick()).ended, 1)
  })
})
