import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testKey, testSpec } from '../contract-suite.ts'
import { metadataOf, metadataText, parseMetadata, uuidOf } from './metadata.ts'

test('is foreign: text that is not ours, in part ours, or of another shape', () => {
  const text = metadataText(metadataOf(testSpec(testKey(1n), 'ab'.repeat(32), 1)))
  for (const other of [
    '',
    'null',
    '{}',
    text.slice(0, -1),
    text.replace('abcdef012345', '../../etc/x'),
    text.replace('"1"', '"-1"'),
  ]) {
    assert.equal(parseMetadata(other), undefined, other)
  }
})

test('comes back as it was written, with token ids beyond 2^53', () => {
  const key = testKey(2n ** 255n + 1n, 3)
  const metadata = { ...metadataOf(testSpec(key, 'ab'.repeat(32), 1)), snapshots: ['a'] }
  assert.deepEqual(parseMetadata(metadataText(metadata)), metadata)
})

test('the UUID is version 5 and another for every key and generation', () => {
  // python3 -c "import uuid; print(uuid.uuid5(uuid.NAMESPACE_URL, 'freehold:abcdef012345/1/1'))"
  assert.equal(uuidOf(testKey(1n)), '1c852503-345e-5843-917d-9a33799f8762')
  assert.notEqual(uuidOf(testKey(1n)), uuidOf(testKey(1n, 2)))
  assert.notEqual(uuidOf(testKey(1n)), uuidOf(testKey(11n)))
})
