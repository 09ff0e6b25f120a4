import assert from 'node:assert/strict'
import { test } from 'node:test'
import { confirmationsFor, type TokenPrice } from './payment.ts'
import { dayRange, extensionRange, parseDays, usualDays } from './period.ts'

const native = '0x0000000000000000000000000000000000000000'
const price = (changes: Partial<TokenPrice> = {}): TokenPrice => ({
  token: `0x${'11'.repeat(20)}`,
  symbol: 'USDC',
  decimals: 6,
  pricePerDay: '1',
  permit: false,
  ...changes,
})

test('S5 an approval is asked for only where the contract may not take the amount yet', () => {
  assert.deepEqual(confirmationsFor(price({ token: native }), 10n, 0n), ['pay'])
  assert.deepEqual(confirmationsFor(price(), 10n, 9n), ['approve', 'pay'])
  assert.deepEqual(confirmationsFor(price({ permit: true }), 10n, 0n), ['permit', 'pay'])
  assert.deepEqual(confirmationsFor(price({ permit: true }), 10n, 10n), ['pay'])
})

test('days outside the plan are refused', () => {
  const range = dayRange({ minSeconds: 86_400, maxSeconds: 90 * 86_400 })
  for (const text of ['', '0', '91', '1.5', '-1', 'ten', '1e1']) assert.equal(parseDays(text, range), undefined, text)
  assert.equal(parseDays(' 90 ', range), 90)
  assert.deepEqual(usualDays(range), [7, 30, 60, 90])
  assert.deepEqual(usualDays({ min: 2, max: 3 }), [2])
})

test('S11 an extension never asks for more than the contract allows', () => {
  const plan = { minSeconds: 86_400, maxSeconds: 90 * 86_400 }
  assert.equal(extensionRange(plan, 1000 + 30 * 86_400, 1000).max, 59)
  assert.equal(extensionRange(plan, 500, 1000).max, 89)
  const full = extensionRange(plan, 1000 + 90 * 86_400, 1000)
  assert.ok(full.max < full.min)
})
