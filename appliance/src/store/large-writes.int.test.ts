import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { MovableClock } from '../clock/clock.ts'
import type { StoredChainEvent } from './history.ts'
import { openStore, type Store } from './store.ts'

const installation = 'ab'.repeat(6)
const mb = 1_000_000

// what a large host writes at once; each took ten seconds of the whole daemon and hundreds of megabytes for good
await suite('many rows at once', () => {
  let store: Store
  before(async () => {
    store = await openStore(':memory:', { clock: new MovableClock() })
  })
  after(() => store.close())

  test('20,000 logs of blocks that were missed', async () => {
    const events = Array.from({ length: 20_000 }, (_, i): StoredChainEvent => ({
      installation,
      blockNumber: 1 + (i >> 9),
      logIndex: i & 511,
      blockHash: `0x${'11'.repeat(32)}`,
      name: 'Bought',
      tokenId: i === 5 ? null : BigInt(i),
      args: { tokenId: BigInt(i), paid: 10n ** 15n, text: "it's" },
      transactionHash: `0x${i.toString(16).padStart(64, '0')}`,
    }))
    const before = process.memoryUsage().rss
    await store.history.replaceRange(installation, 0, 100, events)
    const grown = (process.memoryUsage().rss - before) / mb
    assert.ok(grown < 150, `${grown.toFixed(0)} MB more`)
    assert.deepEqual(await store.history.ofToken(installation, 7n), [events[7]])
    assert.deepEqual(await store.history.byTransaction(events[5]?.transactionHash ?? ''), [events[5]])
    assert.deepEqual(await store.history.byTransaction(events.at(-1)?.transactionHash ?? ''), [events.at(-1)])
    // read again, as after a reorganisation: nothing twice, and what is gone is gone
    await store.history.replaceRange(installation, 1, 100, events.slice(0, 512))
    assert.deepEqual(await store.history.ofToken(installation, 7n), [events[7]])
    assert.deepEqual(await store.history.ofToken(installation, 600n), [])
  })

  test('who holds 10,000 passes, at the first look; the last of a turn stands', async () => {
    const row = (tokenId: bigint, holder: string) => ({
      installation,
      tokenId,
      generation: 1,
      holder,
      former: null,
      letIn: null,
      lastIn: '0x2',
    })
    const before = process.memoryUsage().rss
    const rows = Array.from({ length: 10_000 }, (_, i) => row(BigInt(i), `0x${i}`))
    await Promise.all([...rows, row(7n, '0xlast')].map((one) => store.passWatch.put(one)))
    const grown = (process.memoryUsage().rss - before) / mb
    assert.ok(grown < 80, `${grown.toFixed(0)} MB more`)
    const kept = new Map((await store.passWatch.list()).map((one) => [one.tokenId, one]))
    assert.equal(kept.size, 10_000)
    assert.deepEqual(kept.get(7n), row(7n, '0xlast'))
    assert.deepEqual(kept.get(9_999n), rows[9_999])
    await store.passWatch.remove({ installation, tokenId: 7n })
    assert.equal((await store.passWatch.list()).length, 9_999)
  })
})
