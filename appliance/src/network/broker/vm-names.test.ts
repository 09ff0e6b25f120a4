import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { z } from 'zod'
import type { Clock } from '../../clock/clock.ts'
import { macOf } from '../mac.ts'
import { createBrokerClient } from './client.ts'
import { FakeBrokers } from './fake/fake-brokers.ts'
import { createVmNames, type NamedVm } from './vm-names.ts'

class StillClock implements Clock {
  time = 1_800_000_000
  now = () => this.time
  monotonicMs = () => this.time * 1000
  wait = () => Promise.resolve()
}

const vm = (tokenId: bigint): NamedVm => ({
  vmId: `0123456789ab-${tokenId}`,
  mac: macOf({ installation: '0123456789ab', tokenId }),
})

async function world(count = 1) {
  const clock = new StillClock()
  const brokers = new FakeBrokers(clock)
  brokers.add('a')
  if (count > 1) brokers.add('b', { latencyMs: 60 })
  const policy = { count, maxPricePerDay: 0n, minTermSeconds: 0, regions: [], pinned: [] }
  const client = createBrokerClient({ service: brokers, host: brokers, store: brokers, clock, policy, log: () => undefined })
  for (let i = 0; i < 3; i += 1) {
    await client.round()
    clock.time += 5
  }
  const kept = new Map<string, unknown>()
  const state = { vms: [vm(1n), vm(2n)] as NamedVm[] | undefined }
  const names = () =>
    createVmNames({
      service: brokers,
      tunnels: () => client.tunnels(),
      vms: () => state.vms,
      settings: {
        get: async <S extends z.ZodType>(key: string, schema: S) =>
          kept.has(key) ? schema.parse(structuredClone(kept.get(key))) : undefined,
        put: async (key, value) => void kept.set(key, structuredClone(value)),
      },
      now: clock.now,
      log: () => undefined,
    })
  return { clock, brokers, client, names, state, zone: () => [...brokers.zone.keys()].toSorted() }
}

suite('names of VMs at brokers', { timeout: 600_000 }, () => {
  test('denies a label that is another’s, at the broker and on this host: nothing is kept', async () => {
    const { names, zone } = await world()
    const served = names()
    await served.pass()
    const before = zone()
    await assert.rejects(served.choose(vm(1n), 'taken-shop'), { code: 'broker-name-refused' })
    await served.choose(vm(1n), 'shop')
    await assert.rejects(served.choose(vm(2n), 'SHOP'), { code: 'broker-name-refused', detail: /another VM of this host/ })
    await assert.rejects(served.choose(vm(2n), 'vm-0123456789ab-1'), { code: 'broker-name-refused' })
    await served.pass()
    assert.deepEqual(before, ['vm-0123456789ab-1.a.example', 'vm-0123456789ab-2.a.example'])
    assert.deepEqual(zone(), ['shop.a.example', 'vm-0123456789ab-2.a.example'])
  })

  test('denies a choice while no broker carries', async () => {
    const { names, brokers, client, clock } = await world()
    brokers.at('a').up = false
    clock.time += 60
    await client.round()
    await assert.rejects(names().choose(vm(1n), 'shop'), { code: 'not-supported' })
  })

  test('a list of VMs that is not known takes nobody’s name', async () => {
    const { names, state, zone } = await world()
    const served = names()
    await served.pass()
    state.vms = undefined
    await served.pass()
    assert.equal(zone().length, 2)
  })

  test('two brokers: both zones name the VM, each by its own prefix; the preferred one stands first', async () => {
    const { names, brokers, zone } = await world(2)
    const served = names()
    await served.pass()
    assert.equal(zone().length, 4)
    const shown = served.addressesOf(vm(1n), brokers.announced.find((one) => one.preferredSeconds > 0)?.prefix)
    assert.deepEqual(
      shown.map(({ name, preferred }) => [name, preferred]),
      [
        ['vm-0123456789ab-1.a.example', true],
        ['vm-0123456789ab-1.b.example', false],
      ],
    )
    for (const { name, address } of shown) assert.equal(brokers.zone.get(name ?? ''), address)
  })

  test('a VM that is gone loses its names; a broker that is down is told later; a restart tells nothing twice', async () => {
    const { names, brokers, state, zone } = await world(2)
    const served = names()
    await served.pass()
    brokers.at('b').up = false
    state.vms = [vm(2n)]
    await served.pass()
    assert.deepEqual(zone(), ['vm-0123456789ab-1.b.example', 'vm-0123456789ab-2.a.example', 'vm-0123456789ab-2.b.example'])
    brokers.at('b').up = true
    const again = names()
    await again.pass()
    assert.deepEqual(zone(), ['vm-0123456789ab-2.a.example', 'vm-0123456789ab-2.b.example'])
    const asked = brokers.log.length
    await again.pass()
    assert.equal(brokers.log.length, asked)
  })
})
