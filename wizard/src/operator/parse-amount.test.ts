import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAmount, plainAmount } from './parse-amount.ts'

test('refuses what is no amount, is negative, or has more places than the token', () => {
  for (const text of ['', 'a', '-1', '1e3', '1.', '.5', '1,000,000', '0.1234567', ' 1 2 ']) {
    assert.equal(parseAmount(text, 6), undefined, text)
  }
})

test('reads point and comma without a float, and back', () => {
  assert.equal(parseAmount('0,000000000000000001', 18), 1n)
  assert.equal(parseAmount(' 12.5 ', 6), 12_500_000n)
  assert.equal(parseAmount('7', 0), 7n)
  for (const units of [0n, 1n, 12_500_000n, 10n ** 24n]) assert.equal(parseAmount(plainAmount(units, 6), 6), units)
})
