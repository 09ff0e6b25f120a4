import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { AppError } from '../errors/app-error.ts'
import { ownAddress } from '../network/ip.ts'
import { day, keyOf, testBook, type TestBook } from './test-broker.ts'
import type { LeaseId } from './types.ts'

describe('the broker over its network', { timeout: 600_000 }, () => {
  let t: TestBook
  beforeEach(async () => {
    t = testBook()
    await t.broker.start()
  })
  afterEach(() => t.close())
  const prefixes = (): string[] => t.dataPath.standing.map((lease) => lease.prefix)

  it('answers nobody before everything stands again', async () => {
    const given = await t.broker.handle(t.ask('a'))
    t.dataPath.reboot()
    t = t.reopen()
    await assert.rejects(t.broker.handle(t.ask('b')), { code: 'broker-data-path-failed', retryAfterSeconds: 5 })
    await t.broker.start()
    assert.deepEqual(prefixes(), [given.lease.prefix])
  })

  it('a network that cannot be set refuses the answer and keeps the lease: the same request is granted later (N2)', async () => {
    const asked = t.ask('a')
    t.dataPath.failing = true
    await assert.rejects(t.broker.handle(asked), { code: 'broker-data-path-failed' })
    assert.match(t.broker.failure ?? '', /nft refused/)
    const [held] = t.book.leases.live()
    // a failed change of a standing lease frees nothing either
    await assert.rejects(t.broker.handle(t.ask('a', { wireguardKey: keyOf('a-2') })), { code: 'broker-data-path-failed' })
    assert.equal(t.book.leases.live()[0]?.prefix, held?.prefix)
    t.dataPath.failing = false
    assert.deepEqual(await t.broker.tick(), { ended: 0, repaired: 0 })
    assert.deepEqual([t.broker.failure, prefixes()], [undefined, [held?.prefix]])
  })

  it('what others change is found and set right, and counted', async () => {
    const { lease } = await t.broker.handle(t.ask('a'))
    t.dataPath.tamper(lease.id)
    assert.deepEqual(prefixes(), [])
    assert.deepEqual(await t.broker.tick(), { ended: 0, repaired: 1 })
    assert.deepEqual([prefixes(), t.broker.repaired], [[lease.prefix], 1])
    assert.deepEqual(await t.broker.tick(), { ended: 0, repaired: 0 })
  })

  it('what is being applied at the moment of a look is nobody’s doing, and is not counted as set right', async () => {
    const gate = Promise.withResolvers<void>()
    const apply = t.dataPath.apply.bind(t.dataPath)
    t.dataPath.apply = (state) => gate.promise.then(() => apply(state))
    const asked = t.broker.handle(t.ask('a'))
    const looked = t.broker.tick()
    // the look has come as far as it can
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void setImmediate(resolve))
    gate.resolve()
    await asked
    assert.deepEqual(await looked, { ended: 0, repaired: 0 })
    assert.equal(t.broker.repaired, 0)
  })

  it('hosts with a live session are pinged through their tunnels each minute, in turn; a silent one is counted as such', async () => {
    const hosts = await Promise.all(['a', 'b', 'c', 'd'].map((name) => t.broker.handle(t.ask(name))))
    const [answers, silent, suspended] = hosts.map(({ lease }) => lease)
    assert.ok(answers && silent && suspended)
    for (const { id } of [answers, silent, suspended]) {
      t.dataPath.counts.set(id, { lease: id as LeaseId, bytesOut: 0n, bytesIn: 0n, lastHandshakeAt: t.clock.now() - 10 })
    }
    await t.broker.operate((book, now) => book.suspend(suspended.id, 'abuse', now))
    t.dataPath.answering.set(ownAddress(answers.prefix), 7)
    await t.broker.tick()
    assert.deepEqual(t.broker.reachability, { asked: 2, answering: 1 })
    assert.deepEqual(await t.broker.reach(answers.id), { address: ownAddress(answers.prefix), ms: 7 })
    assert.equal((await t.broker.reach(silent.id)).ms, undefined)
    await assert.rejects(t.broker.reach('l-ffffffffffffffff'), { code: 'broker-no-lease' })
    t.clock.seconds += 600
    await t.broker.tick()
    assert.deepEqual(t.broker.reachability, { asked: 0, answering: 0 }, 'whose session is over is not asked')
  })

  it('more hosts than a minute pings are all pinged within some minutes', async () => {
    const asked = new Set<string>()
    t.dataPath.probe = async (address) => (asked.add(address), 1)
    for (let i = 0; i < 70; i += 1) {
      const { lease } = await t.broker.handle(t.ask(`turn-${i}`))
      t.dataPath.counts.set(lease.id, { lease: lease.id as LeaseId, bytesOut: 0n, bytesIn: 0n, lastHandshakeAt: t.clock.now() })
    }
    const seen: number[] = []
    for (let minute = 0; minute < 3; minute += 1) {
      await t.broker.tick()
      seen.push(asked.size)
    }
    assert.deepEqual(seen, [32, 64, 70])
  })

  it('500 requests at once are few applies, each answered when its peer stands', async () => {
    const before = t.dataPath.applies
    const answers = await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        const answer = await t.broker.handle(t.ask(`many-${i}`))
        assert.ok(t.dataPath.standing.some((lease) => lease.id === answer.lease.id))
        return answer
      }),
    )
    assert.equal(new Set(answers.map((answer) => answer.lease.prefix)).size, 500)
    assert.ok(t.dataPath.applies - before <= 5, `${t.dataPath.applies - before} applies`)
  })

  it('our clock years ahead ends nothing that the chain does not end; a chain that does not answer ends nothing', async () => {
    const { lease } = await t.broker.handle(t.ask('a'))
    t.taking.now = t.clock.now()
    t.clock.seconds += 3650 * day
    assert.equal((await t.broker.tick()).ended, 0)
    t.taking.now = undefined
    assert.equal((await t.broker.tick()).ended, 0)
    assert.deepEqual(prefixes(), [lease.prefix])
    t.taking.now = 'clock'
    assert.equal((await t.broker.tick()).ended, 1)
    assert.deepEqual(prefixes(), [], 'the end reaches the network')
  })

  it('learns handshakes and where hosts are; a reboot tells them to the network', async () => {
    const { lease } = await t.broker.handle(t.ask('a'))
    const [one] = t.book.leases.live()
    assert.ok(one)
    const endpoint = { host: '198.51.100.7', port: 40_000 }
    t.dataPath.counts.set(one.id, { lease: one.id, bytesIn: 5n, bytesOut: 6n, lastHandshakeAt: t.clock.now(), endpoint })
    await t.broker.tick()
    assert.equal(t.broker.counters(one.id)?.bytesIn, 5n)
    assert.equal(t.book.leases.byId(lease.id)?.firstHandshakeAt, t.clock.now())
    t = t.reopen()
    assert.deepEqual(t.book.leases.lastSeen(one.id), endpoint)
  })

  it('the dry run tells a change and makes none', async () => {
    t.book.handle(t.ask('a'), t.clock.now())
    const changes = await t.broker.plan()
    assert.deepEqual(
      changes.map(({ part, action }) => [part, action]),
      [['peer', 'add']],
    )
    assert.deepEqual(prefixes(), [])
  })

  it('a refusal changes nothing in the network and costs no apply', async () => {
    await t.broker.handle(t.ask('a'))
    const { applies } = t.dataPath
    await assert.rejects(t.broker.handle(t.ask('b', { wireguardKey: keyOf('a') })), (error) => error instanceof AppError)
    assert.equal(t.dataPath.applies, applies)
  })
})
