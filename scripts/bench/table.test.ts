import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, row } from './row.ts'
import { formatTable } from './table.ts'

test('a value above its goal is missed, before rounding', () => {
  assert.deepEqual(row('boot', 30.001, 's', 30), { name: 'boot', value: 30, unit: 's', goal: 30, ok: false })
})

test('not a number is missed', () => {
  assert.equal(row('boot', Number.NaN, 's', 30).ok, false)
})

test('a value at its goal is met', () => {
  assert.equal(row('boot', 30, 's', 30).ok, true)
})

test('the median of nothing is refused', () => {
  assert.throws(() => median([]))
})

test('the median does not depend on the order', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([4, 1, 3, 2]), 3)
})

test('no rows make no table', () => {
  assert.equal(formatTable([]), '')
})

test('columns are aligned, numbers at their right edge', () => {
  const table = formatTable([row('template boot', 12.3, 's', 30), row('snapshot', 101.25, 'ms', 250)])
  assert.equal(
    table,
    [
      '                MEASURED      GOAL',
      'template boot     12.3 s    ≤ 30 s  ok',
      'snapshot       101.25 ms  ≤ 250 ms  ok',
      '',
    ].join('\n'),
  )
})

test('a missed goal is said in words', () => {
  assert.match(formatTable([row('gas', 1.6, '×', 1.5)]), /1\.6 × {2}≤ 1\.5 × {2}missed\n$/)
})
