import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../clock/clock.ts'
import { createBrokerClient } from '../../network/broker/client.ts'
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
