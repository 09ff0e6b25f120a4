import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Rental } from '@freehold/appliance/api/schemas/operator'
import { filterRentals } from './filter-rentals.ts'

const rental = (n: number, state: Rental['state'] = 'running'): Rental => ({
  vmId: `0123456789ab-${n}`,
  hostname: `vm-${n}`,
  state,
  planName: n % 2 === 0 ? 'Small' : 'Large',
  holder: `0x${String(n).padStart(40, 'a')}`,
  expiresAt: n,
})
const all = [rental(1), rental(2, 'missing'), rental(30)]

test('shows nothing for words that stand nowhere, or not all in one row', () => {
  assert.deepEqual(filterRentals(all, 'nowhere', ''), [])
  assert.deepEqual(filterRentals(all, 'small vm-1', ''), [])
  assert.deepEqual(filterRentals(all, '', 'suspended'), [])
})

test('finds by name, plan and holder, in any case, and by state', () => {
  assert.deepEqual(filterRentals(all, 'LARGE', ''), [all[0]])
  assert.deepEqual(filterRentals(all, ' vm-30 ', ''), [all[2]])
  assert.deepEqual(filterRentals(all, 'aaaa2', 'missing'), [all[1]])
  assert.equal(filterRentals(all, '  ', ''), all)
})
