import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fiatAmount, isCurrency, parseRate } from './fiat.ts'

const euro = (rate: string) => ({ rate, currency: 'EUR' })

test('X21 an amount of fiat is exact until it is written, in the notation of the locale', () => {
  assert.equal(fiatAmount(10n ** 15n, 18, euro('3200'), 'en'), '€3.20')
  assert.equal(fiatAmount(10n ** 15n, 18, euro('3200'), 'de'), '3,20\u00a0€')
  assert.equal(fiatAmount(12_500_000n, 6, euro('0.9'), 'en'), '€11.25')
  assert.equal(fiatAmount(7n, 0, euro('2'), 'en'), '€14.00')
  // beyond what a float holds, to the cent
  assert.equal(fiatAmount(90_071_992_547_409_93n * 10n ** 18n, 18, euro('1.01'), 'en'), '€9,097,271,247,288,402.93')
  assert.equal(fiatAmount(0n, 18, euro('3200'), 'en'), '€0.00')
  // a price below a cent is not nothing
  assert.equal(fiatAmount(10n ** 12n, 18, euro('3200'), 'en'), '€0.0032')
  assert.equal(fiatAmount(5n * 10n ** 14n, 18, euro('1000'), 'en'), '€0.50')
})

test('a rate is taken with point or comma, and refused where it is none or zero', () => {
  assert.equal(parseRate(' 3200,5 '), '3200.5')
  for (const wrong of ['', '0', '0.00', '-1', '1e3', '1,000.5', 'abc', '1.', '9'.repeat(13)]) {
    assert.equal(parseRate(wrong), undefined, wrong)
  }
  assert.deepEqual(['EUR', 'JPY', 'XXQ', 'eur'].map(isCurrency), [true, true, false, false])
})
