import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedBetween } from './distinct.ts'

const one = { fingerprint: 'AA:01', code: 'A1B 2C3', recovery: 'AAAA-BBBB' }
const two = { fingerprint: 'AA:02', code: 'ZZZ 2C3', recovery: 'CCCC-BBBB' }

test('I1 what two machines share is told, however it is written, and without its value', () => {
  for (const [changed, told] of [
    [{ fingerprint: 'aa:01' }, 'fingerprint of b: the same as fingerprint of a'],
    [{ code: 'A1B2C3' }, 'code of b: the same as code of a'],
    [{ recovery: 'AAAABBBB' }, 'recovery of b: the same as recovery of a'],
    [{ recovery: '' }, 'recovery of b: not seen'],
  ] as const)
    assert.deepEqual(sharedBetween({ a: one, b: { ...two, ...changed } }), [told])
  assert.deepEqual(sharedBetween({ a: one, b: two, c: { ...two, code: 'x', fingerprint: 'y' } }), [
    'recovery of c: the same as recovery of b',
  ])
})

test('I1 machines that share nothing are left alone', () => {
  assert.deepEqual(sharedBetween({ a: one, b: two }), [])
  assert.deepEqual(sharedBetween({}), [])
})
