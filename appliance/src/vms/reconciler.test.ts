import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AppError } from '../errors/app-error.ts'
import { alice, bob, testPlan } from './test-chain.ts'
import { Stand } from './test-stand.ts'

const day = 86_400

async function delivered(options: Parameters<typeof Stand.open>[0] = {}): Promise<{ stand: Stand; id: bigint }> {
  const stand = await Stand.open(options)
  const id = stand.chain.buy()
  await stand.settle()
  assert.equal(stand.chain.at(id)?.state, 'active', stand.lines.join('\n'))
  return { stand, id }
}

/** Delivered, expired, grace over and all of it finalized. */
async function graceOver(): Promise<{ stand: Stand; id: bigint }> {
  const { stand, id } = await delivered()
  stand.advance(3 * day)
  stand.chain.finalize()
  await stand.settle()
  return { stand, id }
}

describe('denials: what the loop never does', () => {
  test('denies all while another key is provisioner', async () => {
    const stand = await Stand.open()
    stand.chain.mine(1, (s) => void (s.provisioner = bob))
    const id = stand.chain.buy()
    await stand.settle()
    assert.equal(stand.vm(id), undefined)
    assert.deepEqual(stand.provisioner.sent, [])
    assert.deepEqual(stand.issues(), ['not-provisioner'])
  })

  test('denies taking once the provisioner was changed: the old host falls silent by itself', async () => {
    const { stand, id } = await graceOver()
    stand.chain.mine(1, (s) => void (s.provisioner = bob))
    stand.chain.endFor(id)
    stand.chain.finalize()
    await stand.settle()
    assert.ok(stand.vm(id))
  })

  test('V2: a hypervisor that is down is never an empty one', async () => {
    const { stand, id } = await delivered()
    stand.hypervisor.down = true
    await stand.settle()
    assert.deepEqual(stand.issues(), ['hypervisor-down'])
    stand.hypervisor.down = false
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
    assert.deepEqual(stand.issues(), [])
  })

  test('denies a fresh blank VM for one that was activated and is missing', async () => {
    const { stand, id } = await delivered()
    stand.hypervisor.records.clear()
    await stand.settle()
    assert.equal(stand.vm(id), undefined)
    assert.deepEqual(stand.issues(), ['vm-missing'])
  })

  test('E6: RPC down after the grace: nothing dies', async () => {
    const { stand, id } = await delivered()
    stand.advance(9 * day)
    stand.chain.down = true
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
    assert.deepEqual(stand.issues(), ['chain-unreachable'])
  })

  test('denies taking from a stale chain', async () => {
    const { stand, id } = await delivered()
    stand.advance(9 * day)
    stand.chain.finalize()
    stand.chain.stale = true
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
  })

  test('denies taking before the finalized block agrees', async () => {
    const { stand, id } = await delivered()
    stand.chain.finalityBlocks = 50
    stand.advance(2 * day)
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
    stand.chain.finalize()
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'stopped')
  })

  test('E2: a purchase that vanished below the giving depth keeps its VM and raises an issue', async () => {
    const { stand, id } = await delivered()
    stand.chain.reorganise(2)
    stand.chain.finalize()
    assert.equal(stand.chain.at(id), undefined)
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
    assert.deepEqual(stand.issues(), ['vm-unaccounted'])
  })

  test('denies touching a VM of a contract that is not configured', async () => {
    const { stand, id } = await delivered()
    const record = stand.vm(id)
    assert.ok(record)
    const key = { ...record.key, installation: 'ffffffffffff' }
    stand.hypervisor.records.set('ffffffffffff-1', { ...record, key })
    await stand.settle()
    assert.ok(stand.hypervisor.records.get('ffffffffffff-1'))
    assert.deepEqual(stand.issues(), ['unknown-contract'])
  })

  test('denies the fourth destroy of a day until the operator allows it', async () => {
    const stand = await Stand.open()
    const ids = Array.from({ length: 5 }, () => stand.chain.buy())
    await stand.settle()
    for (const id of ids) stand.chain.endFor(id)
    stand.chain.finalize()
    await stand.settle()
    const left = ids.filter((id) => stand.vm(id) !== undefined)
    assert.equal(left.length, 2)
    assert.deepEqual(stand.issues(), ['destroys-waiting', 'destroys-waiting'])
    await stand.restart()
    await stand.settle()
    assert.equal(ids.filter((id) => stand.vm(id) !== undefined).length, 2, 'a restart forgets nothing')
    await stand.reconciler.allowDestroys(left.map((id) => stand.id(id)))
    await stand.settle()
    assert.equal(stand.hypervisor.records.size, 0)
  })

  test('denies a VM for a plan of another kind: the purchase is rejected', async () => {
    const stand = await Stand.open({ plans: [testPlan({ kind: 'wasm' })] })
    const id = stand.chain.buy()
    await stand.settle()
    assert.deepEqual(stand.provisioner.sent, [`reject ${id}`])
    assert.equal(stand.hypervisor.calls.length, 0)
  })

  test('above the giving depth nothing is made', async () => {
    const stand = await Stand.open()
    stand.chain.confirmations = 4
    const id = stand.chain.buy()
    stand.chain.mine()
    stand.chain.mine()
    await stand.settle()
    assert.equal(stand.vm(id), undefined)
    stand.chain.mine()
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
    assert.deepEqual(stand.provisioner.sent, ['activate 1'], 'not sent again while it is not deep enough')
  })
})

describe('the life of a subscription', () => {
  test('expires: shut down, no autostart, data kept; extended: runs again (E5)', async () => {
    const { stand, id } = await delivered()
    stand.advance(day + 60)
    stand.chain.finalize()
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'stopped')
    assert.equal(stand.vm(id)?.autostart, false)
    stand.chain.extend(id, day)
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
    assert.equal(stand.vm(id)?.autostart, true)
    assert.equal(stand.hypervisor.calls.filter((c) => c.startsWith('create')).length, 1)
  })

  test('grace over: 24 h by our own clock, then end, then destroyed once that is final, nothing left', async () => {
    const { stand, id } = await graceOver()
    const row = await stand.store.vms.get({ installation: stand.chain.installation, tokenId: id })
    assert.notEqual(row?.graceOverSeenSince, null)
    assert.deepEqual(stand.provisioner.sent, ['activate 1'])
    stand.clock.advance(day - 60)
    await stand.settle()
    assert.deepEqual(stand.provisioner.sent, ['activate 1'], 'not a minute earlier')
    await stand.restart()
    stand.clock.advance(61)
    await stand.settle()
    assert.deepEqual(stand.provisioner.sent, ['activate 1', 'end 1'])
    assert.ok(stand.vm(id), 'the disk stays until the end is final')
    stand.chain.finalize()
    await stand.settle()
    assert.equal(stand.hypervisor.records.size, 0)
    assert.deepEqual(await stand.store.addresses.list('ssh-port'), [])
    assert.deepEqual(await stand.store.vms.list(), [])
    assert.deepEqual(stand.issues(), [])
  })

  test('extended in the last of the 24 hours: all is forgotten, and a later end waits 24 hours anew', async () => {
    const { stand, id } = await graceOver()
    stand.clock.advance(day - 60)
    stand.chain.extend(id, day)
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
    const row = await stand.store.vms.get({ installation: stand.chain.installation, tokenId: id })
    assert.equal(row?.graceOverSeenSince, null)
  })

  test('cancelled: runs until the cancel is final, then is destroyed', async () => {
    const { stand, id } = await delivered()
    stand.chain.endFor(id)
    await stand.settle()
    assert.ok(stand.vm(id))
    stand.chain.finalize()
    await stand.settle()
    assert.equal(stand.vm(id), undefined)
  })

  test('a person stops it: it stays so over a restart, and over a renewal', async () => {
    const { stand, id } = await delivered()
    const key = stand.vm(id)?.key
    assert.ok(key)
    await stand.reconciler.books.keepStopped(key, true)
    await stand.hypervisor.port().stop(key, 'force')
    await stand.restart()
    stand.chain.extend(id, day)
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'stopped')
    await stand.reconciler.books.keepStopped(key, false)
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
  })

  test('V4: a VM that crashed or was powered off from inside is started again', async () => {
    const { stand, id } = await delivered()
    const record = stand.vm(id)
    assert.ok(record)
    stand.hypervisor.records.set(stand.id(id), { ...record, state: 'crashed' })
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
  })
})

describe('purchases that do not go well', () => {
  test('E3: fails twice, then works', async () => {
    const stand = await Stand.open()
    let failures = 2
    stand.hypervisor.before = (verb) => {
      if (verb !== 'create' || failures === 0) return
      failures -= 1
      throw new AppError({ code: 'process-failed', detail: 'No.' })
    }
    const id = stand.chain.buy()
    await stand.settle()
    assert.deepEqual(stand.issues(), ['purchase-waiting'])
    await stand.restart({ backOff: { attempts: 1, firstSeconds: 0.01, factor: 1, longestSeconds: 0.01 } })
    await stand.reconciler.start()
    await until(() => stand.chain.at(id)?.state === 'active')
    await stand.reconciler.stop()
    const { items } = await stand.store.tasks.list({ subject: stand.id(id) })
    assert.deepEqual(
      items.map((t) => [t.kind, t.state, t.attempt]),
      [
        ['create', 'done', 2],
        ['create', 'failed', 1],
      ],
    )
  })

  test('E3: fails for good: rejected with a quarter of the deadline left, the half-made VM goes once that is final', async () => {
    const stand = await Stand.open()
    const id = stand.chain.buy()
    stand.hypervisor.before = (verb) => {
      if (verb === 'start') throw new AppError({ code: 'process-failed', detail: 'No.' })
    }
    await stand.settle()
    assert.ok(stand.vm(id))
    stand.advance(2701)
    await stand.restart()
    await stand.settle()
    assert.deepEqual(stand.provisioner.sent, [`reject ${id}`])
    assert.ok(stand.vm(id), 'not before the rejection is final')
    stand.chain.finalize()
    await stand.settle()
    assert.equal(stand.vm(id), undefined)
    assert.equal(await stand.store.destroys.countSince({ own: 0, finalized: 0 }), 0, 'it held nothing of anybody')
  })

  test('no room: waits with an issue, is made when there is room', async () => {
    const stand = await Stand.open()
    stand.hypervisor.capacityNow = { ...stand.hypervisor.capacityNow, diskFreeBytes: 2 ** 30 }
    const id = stand.chain.buy()
    await stand.settle()
    assert.deepEqual(stand.issues(), ['purchase-waiting'])
    assert.equal(stand.vm(id), undefined)
    stand.hypervisor.capacityNow = { ...stand.hypervisor.capacityNow, diskFreeBytes: 900 * 2 ** 30 }
    await stand.settle()
    assert.equal(stand.vm(id)?.state, 'running')
  })

  test('two purchases never share the last room', async () => {
    const stand = await Stand.open()
    stand.hypervisor.capacityNow = { ...stand.hypervisor.capacityNow, memoryUnpromisedMiB: 300 }
    stand.chain.buy()
    stand.chain.buy()
    const { began } = await stand.reconciler.pass()
    assert.equal(began.length, 1)
    await stand.reconciler.settled()
  })

  test('a full storage gives its room back: the half-made VM is undone', async () => {
    const stand = await Stand.open()
    stand.hypervisor.before = (verb) => {
      if (verb === 'start') throw new AppError({ code: 'storage-full', detail: 'No space.' })
    }
    const id = stand.chain.buy()
    await stand.settle()
    assert.equal(stand.vm(id), undefined)
    assert.deepEqual(await stand.store.addresses.list('ssh-port'), [])
    const { items } = await stand.store.tasks.list({ subject: stand.id(id) })
    assert.equal(items[0]?.state, 'undone')
  })

  test('E9: a slow create delays nobody', async () => {
    const stand = await Stand.open()
    const slow = stand.chain.buy()
    const release = Promise.withResolvers<void>()
    stand.hypervisor.before = (verb, key) => (verb === 'create' && key.tokenId === slow ? release.promise : undefined)
    const quick = stand.chain.buy()
    await stand.reconciler.pass()
    await until(() => stand.chain.at(quick)?.state === 'active')
    assert.equal(stand.chain.at(slow)?.state, 'pending')
    release.resolve()
    await stand.reconciler.settled()
    assert.equal(stand.chain.at(slow)?.state, 'active')
  })

  test('E10: stopped in the middle of a create, the next life ends it; its task is the same one', async () => {
    const stand = await Stand.open()
    const id = stand.chain.buy()
    stand.silent.add(stand.id(id))
    await stand.reconciler.start()
    await until(() => stand.vm(id)?.state === 'running')
    await stand.reconciler.stop()
    const before = await stand.store.tasks.list({ subject: stand.id(id) })
    assert.deepEqual(
      before.items.map((t) => t.state),
      ['interrupted'],
    )
    stand.silent.clear()
    const key = stand.vm(id)?.key
    assert.ok(key)
    await stand.report(key)
    await stand.restart()
    await stand.settle()
    assert.equal(stand.chain.at(id)?.state, 'active')
    const after = await stand.store.tasks.list({ subject: stand.id(id) })
    assert.deepEqual(
      after.items.map((t) => [t.taskId, t.state]),
      [[before.items[0]?.taskId, 'done']],
    )
  })

  test('a reorganised id with another buyer: fresh disk under the next generation before activate', async () => {
    const stand = await Stand.open()
    const id = stand.chain.buy(alice)
    stand.silent.add(stand.id(id))
    await stand.reconciler.pass()
    await until(() => stand.vm(id)?.state === 'running')
    await stand.reconciler.stop()
    stand.chain.reorganise(1)
    assert.equal(stand.chain.buy(bob), id)
    stand.silent.clear()
    await stand.restart()
    await stand.settle()
    assert.equal(stand.vm(id)?.key.generation, 2)
    assert.equal(stand.vm(id)?.spec.origin.buyer, bob)
    assert.equal(stand.chain.at(id)?.state, 'active')
    const seeds = [...stand.hypervisor.seeds.values()].map((s) => (JSON.parse(s.freeholdJson) as { token: string }).token)
    assert.equal(new Set(seeds).size, 2, 'no secret is shared between buyers')
  })
})

test('a lost database: rows come back from chain and hypervisor, and nothing is made or taken', async () => {
  const { stand, id } = await delivered()
  const before = await stand.store.vms.get({ installation: stand.chain.installation, tokenId: id })
  await stand.store.vms.remove({ installation: stand.chain.installation, tokenId: id })
  await stand.store.addresses.release(stand.id(id))
  await stand.restart()
  const calls = stand.hypervisor.calls.length
  await stand.settle()
  const after = await stand.store.vms.get({ installation: stand.chain.installation, tokenId: id })
  assert.deepEqual(after?.addresses, before?.addresses)
  assert.deepEqual(after?.hostKey, before?.hostKey)
  assert.equal(stand.hypervisor.calls.length, calls)
  assert.equal((await stand.store.addresses.list('ssh-port')).length, 1)
})

test('10,000 subscriptions with nothing to do: a pass asks once and does nothing', async () => {
  const stand = await Stand.open()
  const key = { installation: stand.chain.installation, generation: 1 }
  const first = stand.chain.buy()
  await stand.settle()
  const [sub, record] = [stand.chain.at(first), stand.vm(first)]
  const row = await stand.store.vms.get({ ...key, tokenId: first })
  assert.ok(sub && record && row)
  stand.chain.mine(1, (state) => {
    for (let n = 2n; n <= 10_000n; n += 1n) state.subscriptions.set(n, { ...sub, tokenId: n })
    state.nextTokenId = 10_001n
  })
  for (let n = 2n; n <= 10_000n; n += 1n) stand.hypervisor.records.set(stand.id(n), { ...record, key: { ...key, tokenId: n } })
  const rows = Array.from({ length: 10_000 }, (_, i) => ({
    ...row,
    tokenId: BigInt(i + 1),
    addresses: { ...row.addresses, sshPort: 20_000 + i },
  }))
  await stand.restart({ vms: { ...stand.store.vms, list: () => Promise.resolve(rows) } })
  await stand.reconciler.pass()
  const calls = stand.hypervisor.calls.length
  const report = await stand.reconciler.pass()
  assert.deepEqual(report.began, [])
  assert.equal(report.vms, 10_000)
  // how long it takes is a row of the bench
  assert.deepEqual(stand.hypervisor.calls.slice(calls), [], 'no verb for any of them')
  assert.deepEqual(stand.provisioner.sent, ['activate 1'])
})

test('a VM that becomes busy while a pass looks at it does not end the pass for the others', async () => {
  const stand = await Stand.open()
  for (let n = 0; n < 3; n += 1) stand.chain.buy()
  // two at the same moment: what one begins, the other finds begun between its look and its decision
  const passes = await Promise.all([stand.reconciler.pass(), stand.reconciler.pass(), stand.reconciler.pass()])
  assert.equal(passes.length, 3)
  await stand.settle()
  assert.deepEqual(stand.provisioner.sent.toSorted(), ['activate 1', 'activate 2', 'activate 3'])
  assert.equal(stand.hypervisor.records.size, 3)
  await stand.store.close()
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'the condition never came true')
    await new Promise((resolve) => setImmediate(resolve))
  }
}
