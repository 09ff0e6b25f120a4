import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import type { VmKey } from '../chain/installation.ts'
import type { Hypervisor, VmRecord } from '../hypervisor/port.ts'
import { Stand } from './test-stand.ts'
import { byGeneration } from './world.ts'

// A hypervisor that makes the new disk before it takes the old one may be left with both.

/** A paid VM at generation 2 whose former generation still stands, and a daemon that starts on it. */
async function withFormer(
  t: TestContext,
): Promise<{ stand: Stand; former: VmRecord; destroyed: VmKey[]; started: () => number }> {
  const stand = await Stand.open()
  t.after(() => stand.store.close())
  stand.chain.buy()
  await stand.settle()
  const id = stand.id(1n)
  const record = stand.hypervisor.records.get(id)
  const row = stand.reconciler.books.get(id)
  assert.ok(record !== undefined && row !== undefined)
  const former: VmRecord = { ...record, state: 'running' }
  stand.hypervisor.records.set(id, { ...record, key: { ...record.key, generation: 2 }, state: 'stopped', autostart: false })
  await stand.reconciler.books.put({ ...row, generation: 2 })
  let stands = true
  const destroyed: VmKey[] = []
  const port = stand.hypervisor.port()
  let startedBeside = 0
  const hypervisor: Hypervisor = {
    ...port,
    list: async () => [...(await port.list()), ...(stands ? [former] : [])],
    destroy(key) {
      destroyed.push(key)
      if (key.generation === 1) stands = false
      return Promise.resolve()
    },
    start(key, options) {
      if (stands) startedBeside += 1
      return port.start(key, options)
    },
  }
  await stand.restart({ hypervisor })
  return { stand, former, destroyed, started: () => startedBeside }
}

suite('two generations of one VM', () => {
  test('denies the older one its place, in whatever order they are told of', async (t) => {
    const { stand, former } = await withFormer(t)
    const newer = stand.hypervisor.records.get(stand.id(1n))
    assert.ok(newer !== undefined)
    for (const order of [
      [newer, former],
      [former, newer],
    ]) {
      const { newest, superseded } = byGeneration(order)
      assert.deepEqual(
        [...newest.values()].map((r) => r.key.generation),
        [2],
      )
      assert.deepEqual(
        superseded.map((r) => r.key.generation),
        [1],
      )
    }
  })

  test('the older one is taken away, alone, and before the newer one starts under the same addresses', async (t) => {
    const { stand, destroyed, started } = await withFormer(t)
    await stand.settle()
    assert.deepEqual(
      destroyed.map((key) => key.generation),
      [1],
    )
    assert.equal(started(), 0)
    assert.deepEqual([stand.vm(1n)?.state, stand.vm(1n)?.key.generation], ['running', 2])
  })

  test('denies to take any of them where the books know another generation', async (t) => {
    const { stand, destroyed } = await withFormer(t)
    const row = stand.reconciler.books.get(stand.id(1n))
    assert.ok(row !== undefined)
    await stand.reconciler.books.put({ ...row, generation: 3 })
    await stand.reconciler.pass()
    await stand.reconciler.settled()
    assert.deepEqual(destroyed, [])
  })

  test('denies to call a reinstall done whose disk is not protected yet: it is taken up by the same call', async (t) => {
    const stand = await Stand.open()
    t.after(() => stand.store.close())
    stand.chain.buy()
    await stand.settle()
    const id = stand.id(1n)
    const record = stand.hypervisor.records.get(id)
    const row = stand.reconciler.books.get(id)
    assert.ok(record !== undefined && row !== undefined)
    const holder = (await stand.chain.snapshot('giving')).subscriptions.get(1n)?.holder.toLowerCase() ?? ''
    await stand.reconciler.books.noteReinstall(row, { generation: 2, holder })
    await stand.reconciler.books.put({ ...row, generation: 2, hostKey: null, reportedAt: null })
    stand.hypervisor.records.set(id, {
      ...record,
      key: { ...record.key, generation: 2 },
      facts: { hostKey: null, activating: false },
      state: 'stopped',
      autostart: false,
    })
    await stand.restart()
    const from = stand.hypervisor.calls.length
    await stand.settle()
    const calls = stand.hypervisor.calls.slice(from)
    assert.ok(calls.findIndex((c) => c.startsWith('create ')) >= 0, calls.join())
    assert.ok(calls.findIndex((c) => c.startsWith('create ')) < calls.findIndex((c) => c.startsWith('start ')))
    assert.deepEqual([stand.vm(1n)?.facts.activating, stand.vm(1n)?.state], [true, 'running'])
    assert.equal(stand.reconciler.books.reinstallOf(id), undefined)
  })
})
