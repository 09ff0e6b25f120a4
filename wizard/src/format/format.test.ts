import assert from 'node:assert/strict'
import { test } from 'node:test'
import { looksLikeAddress, sameAddress, shortAddress } from './address.ts'
import { aboutAmount, exactAmount } from './money.ts'
import { clockLength, distance, lengthParts, utcTime } from './time.ts'

const nb = '\u00a0'

test('X21 money is exact, down to the last unit and beyond what a float holds', () => {
  assert.equal(exactAmount(30_000_000_000_000_000n, 18, 'ETH', 'en'), `0.03${nb}ETH`)
  assert.equal(exactAmount(1n, 18, 'ETH', 'en'), `0.000000000000000001${nb}ETH`)
  assert.equal(exactAmount(12_345_678_901_234_567_890_123n, 18, 'ETH', 'en'), `12,345.678901234567890123${nb}ETH`)
  assert.equal(exactAmount(12_500_000n, 6, 'USDC', 'de'), `12,5${nb}USDC`)
  assert.equal(exactAmount(0n, 6, 'USDC', 'en'), `0${nb}USDC`)
  assert.equal(exactAmount(7n, 0, 'X', 'en'), `7${nb}X`)
})

test('a fee never looks cheaper than it is', () => {
  assert.equal(aboutAmount(123_456_789_012_345n, 18, 'ETH', 'en'), `0.000124${nb}ETH`)
  assert.equal(aboutAmount(12n, 18, 'ETH', 'en'), exactAmount(12n, 18, 'ETH', 'en'))
})

test('X21 times are UTC and tell their distance', () => {
  const at = Date.UTC(2027, 2, 3, 14, 0) / 1000
  assert.equal(utcTime(at, 'en'), '3 Mar 2027, 14:00')
  assert.equal(distance(at, at - 5 * 86_400, 'en'), 'in 5 days')
  assert.equal(distance(at, at + 180, 'en'), '3 minutes ago')
  assert.equal(distance(at, at - 5 * 86_400, 'de'), 'in 5 Tagen')
})

test('lengths take the largest whole unit', () => {
  assert.deepEqual(lengthParts(86_400), { unit: 'days', count: 1 })
  assert.deepEqual(lengthParts(90 * 86_400), { unit: 'days', count: 90 })
  assert.deepEqual(lengthParts(5400), { unit: 'minutes', count: 90 })
  assert.equal(clockLength(245), '4:05')
  assert.equal(clockLength(3725), '1:02:05')
  assert.equal(clockLength(-3), '0:00')
})

test('X21 addresses are short in the middle, and compared without case', () => {
  assert.equal(shortAddress('0x70997970C51812dc3A010C7d01b50e0d17dc79C8'), '0x7099…79C8')
  assert.equal(looksLikeAddress('0x70997970C51812dc3A010C7d01b50e0d17dc79C'), false)
  assert.equal(sameAddress('0xAB', '0xab'), true)
  assert.equal(sameAddress(undefined, undefined), false)
})
