import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import type { ChainSnapshot } from '../chain/port.ts'
import { zeroAddress, type Subscription } from '../chain/subscription.ts'
import { MovableClock } from '../clock/clock.ts'
import type { TaskRecord } from '../steps/step.ts'
import { isDuplicate, openDatabase } from './database.ts'
import { fromJson, toJson } from './json.ts'
import { openStore, type Store } from './store.ts'
import { linesPerTask } from './tasks.ts'
import type { StoredTransaction } from './transactions.ts'
import type { StoredVm } from './vms.ts'

let store: Store
let clock: MovableClock
beforeEach(() => {
  clock = new MovableClock()
})

/** A store of its own for each test. */
function withStore(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    store = await openStore(':memory:', { clock })
    try {
      await run()
    } finally {
      await store.close()
    }
  })
}

const installation = '0123456789ab'
const huge = 2n ** 256n - 1n

function subscription(tokenId: bigint, more: Partial<Subscription> = {}): Subscription {
  return {
    installation,
    tokenId,
    planId: 0,
    state: 'active',
    holder: '0x00000000000000000000000000000000000000aa',
    buyer: '0x00000000000000000000000000000000000000aa',
    boughtBlock: 7,
    boughtAt: 1_800_000_000,
    token: zeroAddress,
    seconds: 86_400,
    activationDeadline: 1_800_003_600,
    activatedAt: 1_800_000_100,
    expiresAt: 4_000_000_000,
    graceEndsAt: 4_000_086_400,
    paid: huge,
    streamFrom: 1_800_000_100,
    streamTo: 4_000_000_000,
    settled: 2n ** 64n,
    ...more,
  }
}

function snapshot(subscriptions: readonly Subscription[], more: Partial<ChainSnapshot> = {}): ChainSnapshot {
  return {
    installation,
    contract: '0x00000000000000000000000000000000000000cc',
    depth: 'giving',
    block: { number: 2 ** 33, hash: `0x${'ab'.repeat(32)}`, timestamp: 4_000_000_001 },
    nextTokenId: huge,
    subscriptions: new Map(subscriptions.map((s) => [s.tokenId, s])),
    plans: [],
    owner: zeroAddress,
    treasury: zeroAddress,
    provisioner: zeroAddress,
    operator: zeroAddress,
    buyingPaused: false,
    ...more,
  }
}

describe('projection', () => {
  withStore('a snapshot takes the place of the former one as a whole, at its own depth alone', async () => {
    assert.equal(await store.projection.snapshot(installation, 'giving'), undefined)
    const first = snapshot([subscription(1n), subscription(huge - 1n), subscription(3n, { state: 'pending' })])
    const finalized = snapshot([subscription(1n)], { depth: 'finalized' })
    await store.projection.replace(first)
    await store.projection.replace(finalized)
    assert.deepEqual(await store.projection.snapshot(installation, 'giving'), {
      ...first,
      subscriptions: new Map([...first.subscriptions].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    })
    const second = snapshot([subscription(3n), subscription(4n)], { buyingPaused: true })
    await store.projection.replace(second)
    assert.deepEqual(await store.projection.snapshot(installation, 'giving'), second)
    assert.deepEqual(await store.projection.snapshot(installation, 'finalized'), finalized)
    await store.projection.replace(snapshot([]))
    assert.equal((await store.projection.snapshot(installation, 'giving'))?.subscriptions.size, 0)
    await store.projection.forget(installation)
    assert.equal(await store.projection.snapshot(installation, 'finalized'), undefined)
  })

  withStore('10,000 subscriptions', async () => {
    const many = snapshot(Array.from({ length: 10_000 }, (_, i) => subscription(BigInt(i + 1))))
    await store.projection.replace(many)
    assert.deepEqual(await store.projection.snapshot(installation, 'giving'), many)
  })
})

describe('addresses', () => {
  withStore('never gives one twice, nor again before it is released', async () => {
    const ports = ['20000', '20001']
    const all = await Promise.all(['a', 'b', 'c'].map((owner) => store.addresses.allocate('ssh-port', owner, ports)))
    assert.deepEqual(new Set(all), new Set(['20000', '20001', undefined]))
    assert.equal(await store.addresses.allocate('ssh-port', 'a', ports), all[0])
    assert.equal(await store.addresses.claim('ssh-port', 'd', '20000'), false)
    assert.equal(await store.addresses.ownerOf('ssh-port', '20000'), 'a')
    await store.addresses.release('a')
    assert.equal(await store.addresses.of('ssh-port', 'a'), undefined)
    assert.equal(await store.addresses.claim('ssh-port', 'd', '20000'), true)
    assert.equal(await store.addresses.claim('ssh-port', 'd', '20000'), true)
    assert.equal(await store.addresses.allocate('ipv4', 'a', ['20000']), '20000', 'kinds are apart')
    assert.equal((await store.addresses.list('ssh-port')).length, 2)
  })
})

const vm: StoredVm = {
  installation,
  tokenId: huge,
  generation: 1,
  planId: 0,
  vcpus: 2,
  memoryMiB: 1024,
  diskGiB: 20,
  addresses: { ipv4: '10.77.1.2', ipv6: null, sshPort: 20_000 },
  mac: '52:54:00:00:00:01',
  template: 'aa'.repeat(32),
  origin: { buyer: zeroAddress, boughtBlock: 2 ** 40 },
  hostKey: null,
  secretUsedAt: null,
  reportedAt: null,
  activateIntentAt: null,
  activatedSeenAt: null,
  graceOverSeenSince: null,
  destroyedAt: null,
  createdAt: 4_000_000_000,
}

describe('vms', () => {
  withStore('the one-time token is good once, for its generation', async () => {
    await store.vms.put({ ...vm, generation: 2 })
    assert.equal(await store.vms.useSecret({ ...vm, generation: 1 }), false)
    const uses = await Promise.all([1, 2, 3].map(() => store.vms.useSecret({ ...vm, generation: 2 })))
    assert.equal(uses.filter(Boolean).length, 1)
  })

  withStore('markers are set and cleared alone; the destroyed are listed on request', async () => {
    assert.equal(await store.vms.mark(vm, { reportedAt: 5 }), false)
    await store.vms.put(vm)
    assert.deepEqual(await store.vms.get(vm), vm)
    const hostKey = { fingerprint: 'SHA256:x', publicKey: 'ssh-ed25519 x' }
    assert.equal(await store.vms.mark(vm, { reportedAt: 4_000_000_005, graceOverSeenSince: 9, hostKey }), true)
    await store.vms.mark(vm, { graceOverSeenSince: null })
    assert.deepEqual(await store.vms.get(vm), { ...vm, reportedAt: 4_000_000_005, hostKey })
    await store.vms.put({ ...vm, tokenId: 10n, destroyedAt: 6 })
    await store.vms.put({ ...vm, tokenId: 9n })
    assert.deepEqual(
      (await store.vms.list()).map(({ tokenId }) => tokenId),
      [9n, huge],
    )
    assert.deepEqual(
      (await store.vms.list({ destroyed: true, installation })).map(({ tokenId }) => tokenId),
      [9n, 10n, huge],
    )
    assert.deepEqual(await store.vms.list({ installation: 'ffffffffffff' }), [])
    await store.vms.remove(vm)
    assert.equal(await store.vms.get(vm), undefined)
  })
})

describe('tasks', () => {
  const task: TaskRecord = {
    taskId: 't1',
    kind: 'create',
    subject: 'x-1',
    state: 'running',
    steps: [{ name: 'disk', state: 'running', startedAt: 5, endedAt: null, phase: 'copy' }],
    error: null,
    attempt: 1,
    createdAt: 4_000_000_000,
    endedAt: null,
  }

  withStore('what runs is taken up again, what ended is not', async () => {
    await store.tasks.put(task)
    await store.tasks.put({ ...task, taskId: 't2' })
    assert.deepEqual(await store.tasks.unfinished(), [task, { ...task, taskId: 't2' }])
    const failed: TaskRecord = { ...task, state: 'failed', error: { code: 'a', title: 'b', detail: 'c', hint: 'd' }, endedAt: 9 }
    await store.tasks.put(failed)
    assert.deepEqual(await store.tasks.get('t1'), failed)
    assert.deepEqual(
      (await store.tasks.unfinished()).map(({ taskId }) => taskId),
      ['t2'],
    )
    assert.equal(await store.tasks.get('t3'), undefined)
  })

  withStore('pages meet every task once, newest first', async () => {
    for (let i = 0; i < 7; i += 1) await store.tasks.put({ ...task, taskId: `t${i}`, subject: i === 3 ? 'host' : 'x-1' })
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page: { items: TaskRecord[]; nextCursor: string | null } = await store.tasks.list({ cursor, limit: 3 })
      seen.push(...page.items.map(({ taskId }) => taskId))
      cursor = page.nextCursor
    } while (cursor !== null)
    assert.deepEqual(seen, ['t6', 't5', 't4', 't3', 't2', 't1', 't0'])
    assert.equal((await store.tasks.list({ subject: 'host' })).items.length, 1)
    assert.equal((await store.tasks.list({ cursor: "1' OR 1" })).items.length, 7)
  })

  withStore('a log keeps its newest lines', async () => {
    for (let i = 0; i < linesPerTask + 5; i += 1) await store.tasks.appendLog('t1', `line ${i}`)
    await store.tasks.appendLog('t2', 'x'.repeat(100_000))
    const lines = await store.tasks.logSince('t1')
    assert.deepEqual([lines.length, lines[0]?.line], [linesPerTask, 'line 5'])
    const last = lines.at(-2)
    assert.deepEqual(
      (await store.tasks.logSince('t1', last?.seq)).map(({ line }) => line),
      [`line ${linesPerTask + 4}`],
    )
    assert.equal((await store.tasks.logSince('t2'))[0]?.line.length, 2000)
  })
})

describe('transactions', () => {
  const transaction: StoredTransaction = {
    id: 'a',
    account: '1:0xaa',
    installation,
    verb: 'activate',
    tokenId: huge,
    nonce: 3,
    forms: [{ hash: '0x1', raw: '0x2', maxCost: huge, block: 5 }],
    state: 'signed',
    feeSpent: huge,
    reason: null,
    createdAt: 4_000_000_000,
    sentAt: null,
    minedBlock: null,
    minedHash: null,
  }

  withStore('finds what is under way or done, never what was refused or lost', async () => {
    await store.transactions.put(transaction)
    assert.deepEqual(await store.transactions.find(transaction), transaction)
    for (const other of [{ verb: 'end' as const }, { tokenId: 1n }, { installation: 'f' }, { account: '2:0xaa' }]) {
      assert.equal(await store.transactions.find({ ...transaction, ...other }), undefined)
    }
    await store.transactions.put({ ...transaction, state: 'refused' })
    assert.equal(await store.transactions.find(transaction), undefined)
    await store.transactions.put({ ...transaction, id: 'b', nonce: null, state: 'intended' })
    await store.transactions.put({ ...transaction, id: 'c', nonce: 1 })
    assert.deepEqual(
      (await store.transactions.unfinished('1:0xaa')).map(({ id }) => id),
      ['c', 'b'],
    )
    assert.equal(await store.transactions.highestNonce('1:0xaa'), 3)
    assert.equal(await store.transactions.highestNonce('none'), undefined)
  })

  withStore('sums what was sent in a time without losing a wei', async () => {
    const now = clock.now()
    await store.transactions.put({ ...transaction, id: 'old', sentAt: now - 86_401 })
    await store.transactions.put({ ...transaction, id: 'one', sentAt: now - 100 })
    await store.transactions.put({ ...transaction, id: 'two', sentAt: now, feeSpent: 1n })
    assert.equal(await store.transactions.spentSince('1:0xaa', now - 86_400), huge + 1n)
  })
})

describe('the journal of destroys', () => {
  withStore('a resumed destroy counts once', async () => {
    await store.destroys.record('freehold:a/1/1', 'end', 1000)
    await store.destroys.record('freehold:a/1/1', 'end', 1000)
    clock.advance(86_400)
    await store.destroys.record('freehold:a/2/1', 'cancel', 2000)
    const since = (seconds: number, finalized: number) => store.destroys.countSince({ own: clock.now() - seconds, finalized })
    assert.equal(await since(86_000, 2000), 1)
    assert.equal(await since(86_000, 1000), 2, 'by the finalized block it is not a day ago')
    assert.equal(await since(90_000, 3000), 2, 'by our own clock it is not a day ago')
    assert.deepEqual([await store.destroys.has('freehold:a/1/1'), await store.destroys.has('freehold:a/1/2')], [true, false])
    assert.deepEqual(await store.destroys.marks(), ['freehold:a/1/1', 'freehold:a/2/1'])
  })

  withStore('what a clock that ran ahead has written is entered as of now', async () => {
    await store.destroys.record('freehold:a/1/1', 'end', 9_000_000)
    await store.destroys.notLaterThan({ own: clock.now() - 50, finalized: 1000 })
    assert.equal(await store.destroys.countSince({ own: clock.now() - 49, finalized: 1001 }), 0)
    assert.equal(await store.destroys.countSince({ own: clock.now() - 50, finalized: 1001 }), 1)
    assert.equal(await store.destroys.countSince({ own: clock.now(), finalized: 1000 }), 1)
  })
})

describe('sessions', () => {
  withStore('denies an expired, a revoked and an unknown session', async () => {
    const session = {
      idHash: 'h',
      publicId: 'p',
      address: '0xaa',
      source: '::1',
      createdAt: clock.now(),
      expiresAt: clock.now() + 100,
    }
    await store.sessions.create(session)
    await store.sessions.create({ ...session, idHash: 'h2', publicId: 'p2' })
    assert.deepEqual(await store.sessions.open('h'), { ...session, revokedAt: null })
    assert.equal(await store.sessions.open('other'), undefined)
    assert.equal(await store.sessions.revoke('0xbb', 'p'), false, 'another address revokes nothing')
    assert.equal(await store.sessions.revoke('0xaa', 'p'), true)
    assert.equal(await store.sessions.open('h'), undefined)
    assert.equal((await store.sessions.list('0xaa')).length, 1)
    clock.advance(100)
    assert.equal(await store.sessions.open('h2'), undefined)
    assert.equal(await store.sessions.sweep(), 2)
  })
})

describe('rate limits', () => {
  withStore('denies above the limit until the window ends', async () => {
    const rule = { limit: 3, windowSeconds: 60 }
    clock.advance(60 - (clock.now() % 60))
    const hits = await Promise.all([1, 2, 3, 4, 5].map(() => store.rateLimits.hit('k', rule)))
    assert.equal(hits.filter((hit) => hit === null).length, 3)
    assert.ok(hits.every((hit) => hit === null || (hit > 0 && hit <= 60)))
    assert.equal(await store.rateLimits.hit('other', rule), null)
    clock.advance(60)
    assert.equal(await store.rateLimits.hit('k', rule), null)
    await store.rateLimits.reset('k')
    assert.equal(await store.rateLimits.sweep(150), 0)
    clock.advance(200)
    assert.equal(await store.rateLimits.sweep(60), 1)
  })
})

describe('idempotency', () => {
  const request = { key: 'k', who: '0xaa', route: 'POST /v1/vms', bodyHash: 'h' }

  withStore('denies another body or route under the same key', async () => {
    assert.deepEqual(await store.idempotency.begin(request), { kind: 'fresh' })
    assert.deepEqual(await store.idempotency.begin(request), { kind: 'running' })
    await store.idempotency.finish(request, 202, { taskId: 't' })
    assert.deepEqual(await store.idempotency.begin(request), { kind: 'answered', status: 202, response: { taskId: 't' } })
    assert.deepEqual(await store.idempotency.begin({ ...request, bodyHash: 'x' }), { kind: 'mismatch' })
    assert.deepEqual(await store.idempotency.begin({ ...request, route: 'x' }), { kind: 'mismatch' })
    assert.deepEqual(
      await store.idempotency.begin({ ...request, who: '0xbb' }),
      { kind: 'fresh' },
      'keys of strangers never meet',
    )
  })

  withStore('one of many at once acts; a failed or killed one may be tried again', async () => {
    const verdicts = await Promise.all([1, 2, 3].map(() => store.idempotency.begin(request)))
    assert.deepEqual(verdicts.map(({ kind }) => kind).toSorted(), ['fresh', 'running', 'running'])
    await store.idempotency.abandon(request)
    assert.equal((await store.idempotency.begin(request)).kind, 'fresh')
    assert.equal(await store.idempotency.abandonRunning(), 1)
    assert.equal((await store.idempotency.begin(request)).kind, 'fresh')
    await store.idempotency.finish(request, 200, null)
    clock.advance(86_400)
    assert.equal((await store.idempotency.begin(request)).kind, 'fresh')
    clock.advance(86_400)
    assert.equal(await store.idempotency.sweep(), 1)
  })
})

describe('what people read', () => {
  withStore('login outcomes: one row per request, the last word stands', async () => {
    const outcome = {
      requestId: 'r',
      act: 'shell',
      vmId: 'a-1',
      generation: 1,
      user: 'owner',
      source: '::1',
      signer: null,
      reason: null,
    }
    await store.loginOutcomes.record({ ...outcome, outcome: 'approved' })
    await store.loginOutcomes.record({ ...outcome, outcome: 'denied', reason: 'wrong-wallet' })
    const { items } = await store.loginOutcomes.list({ vmId: 'a-1' })
    assert.deepEqual(
      items.map(({ outcome: word, reason }) => [word, reason]),
      [['denied', 'wrong-wallet']],
    )
    assert.deepEqual((await store.loginOutcomes.list({ vmId: 'a-2' })).items, [])
  })

  withStore('audit: newest first, by target', async () => {
    for (const target of ['a', 'b'])
      await store.audit.append({ who: 'host', what: 'destroy', target, result: 'done', transactionHash: null })
    assert.deepEqual(
      (await store.audit.list()).items.map(({ target }) => target),
      ['b', 'a'],
    )
    assert.equal((await store.audit.list({ target: 'a' })).items.length, 1)
  })

  withStore('issues: since stays at the first time', async () => {
    const since = clock.now()
    await store.issues.raise('rpc-stale', 'chain', 'one')
    clock.advance(10)
    await store.issues.raise('rpc-stale', 'chain', 'two')
    assert.equal(await store.issues.acknowledge('rpc-stale', 'chain'), true)
    assert.equal(await store.issues.acknowledge('rpc-stale', 'other'), false)
    assert.deepEqual(await store.issues.list(), [
      { code: 'rpc-stale', subject: 'chain', detail: 'two', since, acknowledged: true },
    ])
    await store.issues.clear('rpc-stale', 'chain')
    await store.issues.clear('rpc-stale', 'chain')
    assert.deepEqual(await store.issues.list(), [])
  })

  withStore('E7: logs of a range replace each other, so a replay doubles nothing and a reorganised log goes', async () => {
    const event = {
      installation,
      blockNumber: 5,
      logIndex: 0,
      blockHash: '0x1',
      name: 'Bought',
      tokenId: 7n,
      args: { paid: huge },
      transactionHash: '0xt',
    }
    assert.equal(await store.history.cursor(installation), undefined)
    await store.history.replaceRange(installation, 0, 5, [event])
    await store.history.replaceRange(installation, 0, 5, [event])
    assert.deepEqual(await store.history.byTransaction('0xt'), [event])
    assert.deepEqual(await store.history.ofToken(installation, 7n), [event])
    await store.history.replaceRange(installation, 4, 6, [])
    assert.deepEqual(await store.history.ofToken(installation, 7n), [])
    assert.equal(await store.history.cursor(installation), 6)
  })
})

test('a row that exists already is told as such, whatever the table', async () => {
  const db = await openDatabase(':memory:', clock)
  await db.queries.setting.create({ data: { key: 'a', value: '' } })
  await assert.rejects(db.queries.setting.create({ data: { key: 'a', value: '' } }), (error) => isDuplicate(error))
  await assert.rejects(db.queries.setting.update({ where: { key: 'none' }, data: { value: '' } }), { code: 'P2025' })
  await assert.rejects(db.queries.$executeRaw`INSERT INTO settings (key) VALUES ('b')`, (error) => !isDuplicate(error))
  await db.close()
})

test('JSON keeps bigints of any size', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string().filter((key) => key !== '__proto__' && key !== '$bigint'),
        fc.oneof(fc.bigInt(), fc.string(), fc.integer()),
      ),
      (value) => {
        assert.deepEqual({ ...fromJson<object>(toJson(value)) }, { ...value })
      },
    ),
  )
})
