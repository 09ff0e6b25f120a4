import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../clock/clock.ts'
import { FairQueue, type Budget, type Place } from './fair-queue.ts'

const MiB = 2 ** 20
const budget: Budget = { concurrent: 2, memoryBytes: 100 * MiB, waiting: 20, waitingPerKey: 5 }
const queueOf = (more: Partial<Budget> = {}) => new FairQueue({ ...budget, ...more }, systemClock)

async function place(entered: ReturnType<FairQueue['enter']>): Promise<Place> {
  const got = await entered
  assert.ok(got !== undefined && 'release' in got, JSON.stringify(got))
  return got
}

suite('admission', () => {
  test('a call larger than the whole budget is refused at once, and blocks nobody', async () => {
    const queue = queueOf()
    assert.deepEqual(await queue.enter('a', 101 * MiB), { kind: 'capacity', retryAfterSeconds: 60 })
    await place(queue.enter('b', MiB))
  })

  test('memory and count are never passed, whatever is released when', async () => {
    const queue = queueOf({ concurrent: 3 })
    const places = [await place(queue.enter('a', 60 * MiB)), await place(queue.enter('a', 40 * MiB))]
    let third: Place | undefined
    const waiting = place(queue.enter('a', 30 * MiB)).then((got) => (third = got))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(third, undefined, '130 MiB would be more than there is')
    assert.deepEqual(queue.state, { running: 2, waiting: 1, memoryBytes: 100 * MiB })
    places[1]?.release()
    places[1]?.release()
    await waiting
    assert.deepEqual(queue.state, { running: 2, waiting: 0, memoryBytes: 90 * MiB })
  })

  test('a key with many calls delays another by one call at most', async () => {
    const queue = queueOf({ concurrent: 1, waitingPerKey: 100, waiting: 100 })
    const order: string[] = []
    const enter = (key: string) => place(queue.enter(key, MiB)).then((got) => (order.push(key), got.release()))
    const first = await place(queue.enter('greedy', MiB))
    const all = [...Array.from({ length: 10 }, () => enter('greedy')), enter('modest')]
    first.release()
    await Promise.all(all)
    assert.ok(order.indexOf('modest') <= 1, order.join(' '))
  })

  test('too much waiting of one key is its own fault, too much of all is ours', async () => {
    const queue = queueOf({ concurrent: 1, waiting: 7 })
    const held = await place(queue.enter('a', MiB))
    const waiting = [...Array.from({ length: 5 }, () => queue.enter('a', MiB)), queue.enter('b', MiB), queue.enter('c', MiB)]
    assert.deepEqual(await queue.enter('a', MiB), { kind: 'rate', retryAfterSeconds: 1 })
    assert.deepEqual(await queue.enter('d', MiB), { kind: 'capacity', retryAfterSeconds: 1 })
    held.release()
    await Promise.all(waiting.map(async (one) => (await place(one)).release()))
    assert.deepEqual(queue.state, { running: 0, waiting: 0, memoryBytes: 0 })
  })

  test('who gives up leaves the queue, also before it began', async () => {
    const queue = queueOf({ concurrent: 1 })
    const held = await place(queue.enter('a', MiB))
    const abort = new AbortController()
    const waiting = queue.enter('b', MiB, abort.signal)
    abort.abort()
    assert.equal(await waiting, undefined)
    assert.equal(await queue.enter('b', MiB, AbortSignal.abort()), undefined)
    assert.equal(queue.state.waiting, 0)
    held.release()
  })

  test('a large call is passed by small ones sixteen times and then holds the door', async () => {
    const queue = queueOf({ concurrent: 100, waiting: 1000, waitingPerKey: 500 })
    let held = await place(queue.enter('small', 20 * MiB))
    let large: Place | undefined
    const waiting = place(queue.enter('large', 90 * MiB)).then((got) => (large = got))
    let passed = 0
    // each small one comes before the former goes, so there is never room for the large one unless it holds the door
    for (; passed < 100 && large === undefined; passed += 1) {
      const next = queue.enter('small', 20 * MiB)
      await new Promise((resolve) => setImmediate(resolve))
      held.release()
      await new Promise((resolve) => setImmediate(resolve))
      if (large !== undefined) break
      held = await place(next)
    }
    ;(await waiting).release()
    assert.ok(passed >= 16 && passed <= 20, `${passed} passed it`)
  })
})
