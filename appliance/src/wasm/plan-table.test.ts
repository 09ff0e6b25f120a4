import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlanTable, tableSeconds } from './plan-table.ts'

const wallet = `0x${'ab'.repeat(20)}`

test('a plan ends to the second, without a word of the daemon; a table that is old or withdrawn says nothing', () => {
  const clock = { at: 1000, ms: 0, now: () => clock.at, monotonicMs: () => clock.ms }
  const table = new PlanTable(clock)
  assert.equal(table.sources(wallet), 'unknown')
  table.set([{ wallet, id: 's-1', gasPerDay: 5n, until: 1010 }])
  assert.deepEqual(table.sources(wallet.toUpperCase().replace('0X', '0x')), [{ wallet, id: 's-1', gasPerDay: 5n, until: 1010 }])
  assert.deepEqual(table.sources(`0x${'00'.repeat(20)}`), [])
  clock.at = 1010
  assert.deepEqual(table.sources(wallet), [])
  clock.ms = tableSeconds * 1000 + 1
  assert.equal(table.sources(wallet), 'unknown')
  table.set([])
  assert.deepEqual(table.sources(wallet), [])
  table.set(undefined)
  assert.equal(table.sources(wallet), 'unknown')
})
