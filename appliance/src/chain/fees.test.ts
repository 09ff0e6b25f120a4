import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AppError } from '../errors/app-error.ts'
import { chooseFees } from './fees.ts'

const gwei = 10n ** 9n
const facts = { baseFee: 10n * gwei, tip: gwei, gasLimit: 100_000n, capPerTransaction: 10n ** 18n, leftToday: 10n ** 18n }

test('denies what costs more than one transaction or one day may', () => {
  assert.throws(() => chooseFees({ ...facts, capPerTransaction: 10n ** 15n }), { code: 'fee-cap' })
  assert.throws(() => chooseFees({ ...facts, leftToday: 10n ** 15n }), { code: 'fee-cap' })
  assert.throws(() => chooseFees({ ...facts, leftToday: -5n }), { code: 'fee-cap' })
})

test('leaves room for a doubled base fee, cut to the cap', () => {
  assert.deepEqual(chooseFees(facts), { maxFeePerGas: 21n * gwei, maxPriorityFeePerGas: gwei })
  const tight = chooseFees({ ...facts, capPerTransaction: 12n * gwei * facts.gasLimit })
  assert.deepEqual(tight, { maxFeePerGas: 12n * gwei, maxPriorityFeePerGas: gwei })
})

test('never above a cap, never below what a block takes, a replacement by 12.5 % at least', () => {
  const wei = fc.bigInt({ min: 0n, max: 10n ** 13n })
  fc.assert(
    fc.property(wei, wei, wei, wei, fc.bigInt({ min: 1n, max: 10n ** 20n }), (baseFee, tip, max, priority, cap) => {
      const former = { maxFeePerGas: max, maxPriorityFeePerGas: priority }
      try {
        const fees = chooseFees({ ...facts, baseFee, tip, former, capPerTransaction: cap })
        assert.ok(fees.maxFeePerGas * facts.gasLimit <= cap)
        assert.ok(fees.maxFeePerGas >= baseFee + fees.maxPriorityFeePerGas)
        assert.ok(fees.maxFeePerGas * 1000n >= max * 1125n && fees.maxPriorityFeePerGas * 1000n >= priority * 1125n)
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === 'fee-cap')
      }
    }),
  )
})
