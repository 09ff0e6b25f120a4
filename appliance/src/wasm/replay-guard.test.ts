import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplayGuard } from './replay-guard.ts'

test('the same sealed request twice is replayed, under another key it is not; full refuses and forgets nothing', () => {
  const guard = new ReplayGuard(2)
  const [a, b] = [Buffer.from('a'), Buffer.from('b')]
  assert.equal(guard.note('k1', a), 'fresh')
  assert.equal(guard.note('k1', a), 'replayed')
  assert.equal(guard.note('k2', a), 'fresh')
  assert.equal(guard.note('k1', b), 'full')
  assert.equal(guard.note('k1', a), 'replayed')
  guard.forget('k1', b)
  guard.forget('k3', a)
  assert.equal(guard.size, 2)
  guard.keep(['k1'])
  assert.equal(guard.size, 1)
  assert.equal(guard.note('k1', b), 'fresh')
  assert.equal(guard.note('k1', a), 'replayed')
  guard.forget('k1', a)
  assert.equal(guard.size, 1)
  assert.equal(guard.note('k1', a), 'fresh')
  assert.equal(guard.note('k1', b), 'replayed')
})
