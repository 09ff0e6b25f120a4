import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KeptAnswers } from './kept-answers.ts'
import { RateLimits } from './rate-limits.ts'

function limits() {
  const clock = { ms: 0, monotonicMs: () => clock.ms }
  const rates = new RateLimits(
    {
      requests: { perSecond: 2, burst: 3 },
      bytes: { perSecond: 100, burst: 1000 },
      gas: { perSecond: 10, burst: 100 },
    },
    clock,
  )
  return { clock, rates }
}

suite('rates of a key', () => {
  test('denies by count, says how long to wait, and another key is not its concern', () => {
    const { clock, rates } = limits()
    for (let n = 0; n < 3; n += 1) assert.equal(rates.take('a', 0).waitSeconds, null)
    assert.deepEqual(rates.take('a', 0), { remaining: 0, resetSeconds: 1, waitSeconds: 1 })
    assert.equal(rates.take('b', 0).waitSeconds, null)
    clock.ms = 500
    assert.equal(rates.take('a', 0).waitSeconds, null)
  })

  test('denies by bytes: one large body is taken, the next waits until it is paid for', () => {
    const { clock, rates } = limits()
    assert.equal(rates.take('a', 1500).waitSeconds, null)
    assert.equal(rates.take('a', 1).waitSeconds, 6)
    clock.ms = 6000
    assert.equal(rates.take('a', 1).waitSeconds, null)
  })

  test('denies by bytes that are known only when they have come', () => {
    const { clock, rates } = limits()
    assert.equal(rates.take('a', 0).waitSeconds, null)
    rates.spendBytes('a', 700)
    rates.spendBytes('a', 800)
    assert.equal(rates.take('a', 0).waitSeconds, 6)
    assert.equal(rates.take('b', 0).waitSeconds, null)
    clock.ms = 6000
    assert.equal(rates.take('a', 0).waitSeconds, null)
  })

  test('denies by gas: spent when known, and what is refused costs nothing', () => {
    const { clock, rates } = limits()
    assert.equal(rates.take('a', 0).waitSeconds, null)
    rates.spend('a', 300n)
    for (let n = 0; n < 5; n += 1) assert.equal(rates.take('a', 0).waitSeconds, 21)
    clock.ms = 21_000
    assert.equal(rates.take('a', 0).waitSeconds, null)
  })
})

test('denies by the time of compilers: so long at once, then a second for a second', () => {
  const { clock, rates } = limits()
  rates.spendCompiling('a', 9000)
  assert.equal(rates.take('a', 0).waitSeconds, null)
  rates.spendCompiling('a', 4000)
  assert.equal(rates.take('a', 0).waitSeconds, 4)
  assert.equal(rates.take('b', 0).waitSeconds, null)
  clock.ms = 4000
  assert.equal(rates.take('a', 0).waitSeconds, null)
})

test('kept answers: one run per key and body, another body is refused, a refusal is not kept, nothing after ten minutes', async () => {
  const clock = { ms: 0, monotonicMs: () => clock.ms }
  const kept = new KeptAnswers(clock)
  let runs = 0
  const run = () => Promise.resolve({ status: 200, body: (runs += 1) })
  await assert.rejects(
    kept.once('k', 'i', { value: {} }, () => Promise.reject(new Error('nothing ran'))),
    /nothing ran/,
  )
  const both = await Promise.all([kept.once('k', 'i', { value: {} }, run), kept.once('k', 'i', { value: {} }, run)])
  assert.deepEqual(both, [
    { status: 200, body: 1 },
    { status: 200, body: 1 },
  ])
  await assert.rejects(kept.once('k', 'i', { value: { other: 1 } }, run), { code: 'INVALID_REQUEST' })
  const program = Buffer.from('large')
  await assert.rejects(kept.once('k', 'i', { value: {}, program }, run), { code: 'INVALID_REQUEST' })
  assert.equal((await kept.once('another', 'i', { value: { other: 1 } }, run)).body, 2)
  clock.ms = 600_001
  assert.equal((await kept.once('k', 'i', { value: {} }, run)).body, 3)
})
