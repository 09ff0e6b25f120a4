import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Clock } from '../../clock/clock.ts'
import { createBrokerClient } from './client.ts'
import type { BrokerPolicy } from './choice.ts'
import { FakeBrokers } from './fake/fake-brokers.ts'
import { failoverPromiseSeconds, probeSeconds, renewalDueAt, renumberSeconds } from './tunnel-state.ts'

const day = 86_400

/** A clock that stands still until it is moved. */
class StillClock implements Clock {
  time = 1_800_000_000
  now = () => this.time
  monotonicMs = () => this.time * 1000
  wait = () => Promise.resolve()
}

function world(policy: Partial<BrokerPolicy> = {}) {
  const clock = new StillClock()
  const brokers = new FakeBrokers(clock)
  const wishes = { count: 1, maxPricePerDay: 10n, minTermSeconds: day, regions: [], pinned: [], ...policy }
  const start = () =>
    createBrokerClient({ service: brokers, host: brokers, store: brokers, clock, policy: wishes, log: () => undefined })
  const client = start()
  return {
    clock,
    brokers,
    client,
    start,
    wishes,
    /** Rounds every `probeSeconds` for so long. */
    async pass(seconds: number, of = client) {
      for (const end = clock.time + seconds; clock.time < end;) {
        clock.time += probeSeconds
        await of.round()
      }
    },
    states: (of = client) => Object.fromEntries(of.tunnels().map(({ tunnel, state }) => [tunnel.grant.broker.id, state])),
    preferred: () => brokers.announced.filter((a) => a.preferredSeconds > 0).map((a) => a.prefix as string),
  }
}

suite('the client of IPv6 brokers', { timeout: 600_000 }, () => {
  test('denies an answer with a documentation prefix: nothing is set, nothing announced, the reason stands', async () => {
    const { brokers, client } = world()
    brokers.add('sentinel-odd-prefix')
    await client.round()
    assert.deepEqual([brokers.granted, brokers.announced, brokers.kept], [[], [], []])
    const said = client.troubles().find((t) => t.kind === 'broker-refused')
    assert.match(said?.detail ?? '', /2001:db8:5::\/64.*documentation/)
    assert.ok(!brokers.log.some((line) => line.startsWith('tunnels s')))
  })

  test('denies a lease while the clocks are years apart, and says what each shows', async () => {
    const { brokers, client } = world()
    brokers.add('a')
    brokers.clockAhead = 5 * 365 * day
    await client.round()
    assert.deepEqual(brokers.granted, [])
    assert.match(client.troubles().find((t) => t.kind === 'broker-refused')?.detail ?? '', /2032-.*2027-/)
  })

  test('uses a prefix only after the broker answered through the tunnel', async () => {
    const { brokers, pass, states } = world()
    brokers.add('sentinel-silent')
    await pass(60)
    assert.deepEqual(states(), { 'sentinel-silent': 'unproven' })
    assert.deepEqual(brokers.announced, [])
  })

  test('a broker that refuses is asked again after a while, not at each round, and the next one serves', async () => {
    const { brokers, pass, states } = world()
    brokers.add('sentinel-refuses', { latencyMs: 1 })
    brokers.add('b', { latencyMs: 50 })
    await pass(60)
    assert.equal(brokers.log.filter((line) => line === 'request sentinel-refuses').length, 1)
    assert.deepEqual(states(), { b: 'up' })
    brokers.at('b').up = false
    await pass(900)
    assert.equal(brokers.log.filter((line) => line === 'request sentinel-refuses').length, 2)
  })

  test('the nearest that fits the terms is taken; too dear, too short, closed, far off are not', async () => {
    const { brokers, pass, states } = world({ regions: ['eu'] })
    brokers.add('dear', { latencyMs: 1, pricePerDay: 11n })
    brokers.add('short', { latencyMs: 1, termSeconds: 60 })
    brokers.add('closed', { latencyMs: 1, capacity: 2 })
    brokers.add('us', { latencyMs: 1, region: 'us' })
    brokers.add('gone', { latencyMs: undefined })
    brokers.add('far', { latencyMs: 90 })
    brokers.add('near', { latencyMs: 30, pricePerDay: 2n })
    brokers.add('cheap', { latencyMs: 35, pricePerDay: 1n })
    await pass(10)
    assert.deepEqual(states(), { cheap: 'up' }, 'alike in distance: the price decides')
  })

  test('renewal comes at two thirds of the term, once, and a failed one is repeated until the grace ends', async () => {
    const { clock, brokers, client, pass, states } = world()
    brokers.add('a')
    await pass(10)
    const due = renewalDueAt(client.tunnels()[0]?.tunnel.grant ?? assert.fail())
    const { from, until } = client.tunnels()[0]?.tunnel.grant ?? assert.fail()
    assert.ok(due >= from + ((until - from) * 2) / 3 && due <= from + ((until - from) * 3) / 4)
    clock.time = due - 1
    await client.round()
    assert.ok(!brokers.log.includes('renew a'))
    clock.time = due
    await client.round()
    await client.round()
    assert.equal(brokers.log.filter((line) => line === 'renew a').length, 1)
    assert.ok((client.tunnels()[0]?.tunnel.grant.until ?? 0) > until)
    // the next time nobody answers
    clock.time = renewalDueAt(client.tunnels()[0]?.tunnel.grant ?? assert.fail())
    brokers.at('a').up = false
    for (let n = 0; n < 5; n += 1) {
      await client.round()
      clock.time += 3600
    }
    assert.equal(brokers.log.filter((line) => line === 'renew a').length, 6)
    assert.deepEqual(states(), { a: 'silent' }, 'an unreachable broker takes nothing away')
    clock.time = (client.tunnels()[0]?.tunnel.grant.graceUntil ?? 0) + 1
    await client.round()
    assert.deepEqual(states(), {})
  })

  test('one of two brokers dies: the other is preferred within the promised time, the dead one stays valid and comes back', async (t) => {
    const { clock, brokers, client, pass, preferred, states } = world({ count: 2 })
    brokers.add('a', { latencyMs: 5 })
    brokers.add('b', { latencyMs: 60 })
    await pass(10)
    assert.deepEqual(states(), { a: 'up', b: 'up' })
    assert.deepEqual(preferred(), ['2a01:7e00:a00:77::/64'])
    brokers.at('a').up = false
    const died = clock.time
    while (preferred()[0] !== '2a01:7e00:b00:77::/64') await pass(probeSeconds)
    t.diagnostic(`preferred the other after ${clock.time - died} s, promised ${failoverPromiseSeconds} s`)
    assert.ok(clock.time - died <= failoverPromiseSeconds)
    const dead = brokers.announced.find((a) => a.prefix === '2a01:7e00:a00:77::/64')
    assert.ok(dead?.preferredSeconds === 0 && dead.validSeconds >= renumberSeconds)
    assert.ok(client.troubles().some((x) => x.kind === 'broker-silent' && x.subject === 'a'))
    assert.ok(!client.troubles().some((x) => x.kind === 'tunnel-down'))
    brokers.at('a').up = true
    await pass(10)
    assert.deepEqual(preferred(), ['2a01:7e00:a00:77::/64'])
    assert.deepEqual(client.troubles(), [])
  })

  test('all brokers lost is an issue, and no prefix is taken from VMs for it', async () => {
    const { brokers, client, pass } = world()
    brokers.add('a')
    await pass(10)
    brokers.at('a').up = false
    brokers.registryUp = false
    await pass(120)
    assert.ok(client.troubles().some((x) => x.kind === 'tunnel-down'))
    assert.equal(brokers.granted.length, 1)
    assert.ok((brokers.announced[0]?.validSeconds ?? 0) > 0)
    brokers.at('a').up = true
    await pass(probeSeconds)
    assert.deepEqual(
      client.troubles().map((x) => x.kind),
      ['broker-unreachable'],
    )
  })

  test('switching: the old one is left only when the new one answers, both stay valid for a while, then it is given back', async () => {
    const { brokers, client, pass, preferred, states, wishes } = world()
    brokers.add('old')
    await pass(10)
    brokers.add('sentinel-silent')
    client.setPolicy({ ...wishes, pinned: ['sentinel-silent'] })
    await pass(60)
    assert.equal(states()['old'], 'up', 'nobody leaves for one that does not answer')
    assert.deepEqual(preferred(), ['2a01:7e00:a00:77::/64'])
    brokers.add('new')
    client.setPolicy({ ...wishes, pinned: ['new'] })
    await pass(700)
    assert.equal(states()['old'], 'leaving')
    assert.deepEqual(preferred(), ['2a01:7e00:c00:77::/64'])
    assert.ok(brokers.announced.some((a) => a.prefix === '2a01:7e00:a00:77::/64' && a.validSeconds > 0))
    await pass(renumberSeconds)
    assert.equal(states()['old'], undefined)
    assert.ok(brokers.log.includes('release old'))
    assert.ok(brokers.log.indexOf('release old') > brokers.log.findLastIndex((line) => /^tunnels .*old/.test(line)))
  })

  test('a restart restores tunnels and announcements from what was kept, asking nobody', async () => {
    const { brokers, pass, start, states } = world()
    brokers.add('a')
    await pass(10)
    const [granted, announced] = [brokers.granted, brokers.announced.map((a) => a.prefix)]
    brokers.granted = []
    brokers.announced = []
    brokers.registryUp = false
    brokers.log.length = 0
    const again = start()
    await again.restore()
    assert.deepEqual(brokers.granted, granted)
    assert.deepEqual(
      brokers.announced.map((a) => a.prefix),
      announced,
    )
    assert.deepEqual(brokers.log, ['tunnels a'])
    assert.deepEqual(states(again), { a: 'up' })
  })

  test('a root helper that does not take the tunnels is said so, and asked again until it does', async () => {
    const { brokers, client } = world()
    brokers.add('a')
    brokers.failing = true
    await client.round().catch(() => undefined)
    await client.round().catch(() => undefined)
    assert.match(client.troubles().find((t) => t.kind === 'tunnel-down')?.detail ?? '', /could not be set: The helper fails/)
    brokers.failing = false
    await client.round()
    await client.round()
    assert.deepEqual(client.troubles(), [])
  })

  test('a broker that moved: its name is looked up again while it is silent, and a private address is not taken', async () => {
    const { brokers, client, clock, pass } = world()
    brokers.add('a')
    brokers.endpoint = 'broker.example.org'
    brokers.names.set('broker.example.org', ['45.33.32.2'])
    await pass(10)
    assert.deepEqual(brokers.dialled, ['45.33.32.2'])
    brokers.at('a').up = false
    brokers.names.set('broker.example.org', ['192.168.1.1'])
    await pass(120)
    assert.deepEqual(brokers.dialled, ['45.33.32.2'])
    brokers.names.set('broker.example.org', ['45.33.99.2'])
    await pass(120)
    assert.deepEqual(brokers.dialled, ['45.33.99.2'])
    assert.equal(client.tunnels()[0]?.tunnel.lookedUpAt !== undefined, true)
    assert.ok(clock.time > 0)
  })
})
