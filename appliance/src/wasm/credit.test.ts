import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Credit, type GasSource } from './credit.ts'

const wallet = '0x00000000000000000000000000000000000000aa'

function credit(sources: readonly GasSource[] | 'unknown', used: Record<string, bigint> = {}, freeGasPerDay = 0n) {
  const clock = { at: 86_400 * 20_000, now: () => clock.at }
  const made = new Credit({
    clock,
    sources: () => sources,
    used: (payer, day) => (day === 20_000 ? (used[payer] ?? 0n) : 0n),
    freeGasPerDay,
  })
  return { clock, reserve: (wanted: bigint, owner = wallet) => made.reserve(owner, wanted, 10) }
}

suite('credit', () => {
  test('denies a wallet without a plan, and a key of nobody, with what to do', () => {
    assert.throws(() => credit([]).reserve(1n), { code: 'ALLOWANCE_SPENT', message: /buy or extend/ })
    assert.throws(() => credit([{ id: 's-1', gasPerDay: 5n }]).reserve(1n, 'keyid'), { code: 'ALLOWANCE_SPENT' })
  })

  test('denies a spent day, and gives again the next', () => {
    const c = credit([{ id: 's-1', gasPerDay: 100n }], { 's-1': 100n })
    assert.throws(() => c.reserve(1n), { code: 'ALLOWANCE_SPENT', message: /midnight UTC/ })
    c.clock.at += 86_400
    assert.equal(c.reserve(1n).payer, 's-1')
  })

  test('is not sure of a wallet while the host says nothing: no 402, and the free tier still runs', () => {
    assert.throws(() => credit('unknown').reserve(1n), { code: 'CAPACITY_EXCEEDED' })
    assert.equal(credit('unknown', {}, 10n).reserve(1n).payer, wallet)
  })

  test('runs at the same time share one day: none gets what another may still use', () => {
    const c = credit([{ id: 's-1', gasPerDay: 100n }])
    const first = c.reserve(60n)
    assert.throws(() => c.reserve(60n), { code: 'RATE_LIMITED' })
    assert.equal(c.reserve(40n).gasLimit, 40n)
    first.release()
    first.release()
    assert.equal(c.reserve(60n).gasLimit, 60n)
    assert.throws(() => c.reserve(1n), { code: 'RATE_LIMITED' })
  })

  test('the last run of a day gets what is left; the fullest of several subscriptions pays', () => {
    assert.equal(credit([{ id: 's-1', gasPerDay: 100n }], { 's-1': 70n }).reserve(60n).gasLimit, 30n)
    const two = [
      { id: 's-1', gasPerDay: 100n },
      { id: 's-2', gasPerDay: 90n },
    ]
    assert.equal(credit(two, { 's-1': 70n }).reserve(60n).payer, 's-2')
  })
})
