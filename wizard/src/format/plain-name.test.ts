import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainName } from './plain-name.ts'

test('S2 a wallet’s own name is shown short, in one line, and turns nothing around', () => {
  assert.equal(plainName('x'.repeat(500)), 'x'.repeat(40))
  assert.equal(plainName('Safe \u202Etellaw\u2066'), 'Safe tellaw')
  assert.equal(plainName('a\nb\u0000c\u2028d'), 'abcd')
  assert.equal(plainName(' \u200B '), '?')
  assert.equal(plainName('محفظة'), 'محفظة')
  assert.equal(plainName('🦊'.repeat(50)), '🦊'.repeat(40))
})
