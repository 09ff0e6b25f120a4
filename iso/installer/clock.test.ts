import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkClock } from './clock.ts'

const built = 1_790_000_000
const day = 86_400

test('a clock years before the medium or years after it is refused; a day or four years are not', () => {
  for (const now of [0, 946_684_800, built - 2 * day, built + 6 * 365 * day, built + 40 * 365 * day])
    assert.throws(() => checkClock(now, built), { code: 'clock-wrong' }, String(now))
  for (const now of [built - day / 2, built, built + 4 * 365 * day]) checkClock(now, built)
})
