import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../clock/clock.ts'
import { createBrokerClient } from '../../network/broker/client.ts'
import type { BrokerService, TunnelHost, TunnelStore } from '../../network/broker/ports.ts'
import { FakeBrokers } from '../../network/broker/fake/fake-brokers.ts'
import { ipv6Modes } from '../../network/broker/modes.ts'
import { ipv6, type Ipv6Subject } from './ipv6.ts'

const lines: string[] = []
const io = { signal: new AbortController().signal, log: (line: string) => void lines.push(line), progress: () => undefined }

function subject(more: Partial<Ipv6Subject>): Ipv6Subject {
  let time = 0
  return {
    mode: 'broker',
    reachable: async () => true,
    withinSeconds: 5,
    wait: async () => void (time += 1),
    now: () => time,
    ...(more.client !== undefined && { look: () => more.client?.round() ?? Promise.resolve() }),
    ...more,
  }
}

function client(broker: string) {
  const world = new FakeBrokers(systemClock)
  world.add(broker)
  return clientOf(world)
}

function clientOf(world: BrokerService & TunnelHost & TunnelStore) {
  const policy = { count: 1, maxPricePerDay: 0n, minTermSeconds: 0, regions: [], pinned: [] }
  return createBrokerClient({ service: world, host: world, store: world, clock: systemClock, policy, log: () => undefined })
}

test('denies a broker that never answers through the tunnel, in time and with what to do', async () => {
  await assert.rejects(ipv6.run(subject({ client: client('sentinel-silent') }), io), { code: 'timed-out', hint: /UDP/ })
})

test('denies with what was seen when the broker’s answer cannot be used', async () => {
  await assert.rejects(ipv6.run(subject({ client: client('sentinel-odd-prefix') }), io), { detail: /documentation/ })
})

for (const prefix of ['2001:db8::', 'fd00::', 'fe80::', '2002::', 'nonsense', '10.0.0.0']) {
  test(`denies ${prefix} as a prefix of one’s own`, async () => {
    await assert.rejects(ipv6.run(subject({ mode: 'manual', prefix: { prefix, prefixLength: 32 } }), io), { code: 'bad-input' })
  })
}

test('denies onion mode with what is missing', async () => {
  assert.equal(ipv6Modes.find((mode) => mode.mode === 'onion')?.available, false)
  await assert.rejects(ipv6.run(subject({ mode: 'onion' }), io), { detail: /Not built yet. Missing: / })
})

test('is done when the broker has answered through the tunnel, and then has nothing left to do', async () => {
  const done = subject({ client: client('a') })
  assert.equal(await ipv6.check(done), false)
  await ipv6.run(done, io)
  assert.ok(lines.some((line) => /^a: 2a01:.*up, 10 ms$/.test(line)))
  assert.equal(await ipv6.check(done), true)
  assert.equal(await ipv6.check(subject({ mode: 'none' })), true)
})

/** The step in a life that ends at a touch of broker, kernel or disk: whatever is asked from then on happens no more and is never answered. */
async function life(world: FakeBrokers, death?: string): Promise<string[]> {
  const places: string[] = []
  const died = Promise.withResolvers<void>()
  let dead = false
  const never = new Promise<never>(() => {})
  const at = async (place: string): Promise<void> => {
    if (!dead) places.push(place)
    if (place === death) {
      dead = true
      died.resolve()
    }
    if (dead) await never
  }
  let count = 0
  const mortal = new Proxy(world, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return async (...args: unknown[]): Promise<unknown> => {
        const touch = count++
        await at(`before ${touch} ${String(name)}`)
        const result: unknown = await Reflect.apply(value, target, args)
        await at(`after ${touch} ${String(name)}`)
        return result
      }
    },
  })
  const broker = clientOf(mortal)
  const begin = async (): Promise<void> => {
    // as the product does at its start
    await broker.restore()
    await ipv6.run(subject({ client: broker }), io)
    assert.equal(await ipv6.check(subject({ client: broker })), true)
  }
  await Promise.race([begin(), died.promise])
  return places
}

/** What the step leaves, without what every start sets anew. */
const endOf = ({ kept, granted, announced, brokers }: FakeBrokers) => ({
  kept: kept.map(({ grant }) => grant.prefix),
  tunnels: granted.map(({ prefix }) => prefix),
  announced: announced.map(({ prefix, preferredSeconds }) => [prefix, preferredSeconds > 0]),
  leases: [...brokers.values()].map(({ leases }) => [...leases.values()].map(({ prefix }) => prefix)),
})

test('killed before and after each touch of broker, kernel and disk, then run again: the same end, one lease', async () => {
  const worldOf = (): FakeBrokers => {
    const world = new FakeBrokers(systemClock)
    world.add('a')
    return world
  }
  const undisturbed = worldOf()
  const places = await life(undisturbed)
  const end = endOf(undisturbed)
  assert.deepEqual([end.kept.length, end.tunnels.length, end.announced.length, end.leases[0]?.length], [1, 1, 1, 1])
  for (const touch of ['request', 'save', 'setTunnels', 'announce', 'probe']) {
    assert.ok(
      places.some((place) => place.endsWith(` ${touch}`)),
      `${touch} was never touched`,
    )
  }
  for (const death of places) {
    const world = worldOf()
    const passed = await life(world, death)
    assert.equal(passed.at(-1), death)
    await life(world)
    assert.deepEqual(endOf(world), end, death)
  }
})
