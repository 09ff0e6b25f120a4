import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argumentOf } from './commands/wasm.ts'

test('denies what is no number, with how to write one', () => {
  for (const text of ['', 'forty', '1,5', '0x10', '42:i128', '1e', '--1', '42:', ' 1']) {
    assert.throws(() => argumentOf(text), { code: 'bad-input', hint: /42:i64/ }, text)
  }
})

test('numbers of the command line: whole ones beyond 2^53 keep every digit, words for what JSON has not', () => {
  for (const [text, wanted] of [
    ['42', { value: 42 }],
    ['-1', { value: -1 }],
    ['1.5', { value: 1.5 }],
    ['9007199254740993', { value: '9007199254740993' }],
    ['-9223372036854775808:i64', { value: '-9223372036854775808', type: 'i64' }],
    ['nan', { value: 'NaN' }],
    ['-INF:f32', { value: '-Infinity', type: 'f32' }],
    ['.5e-3', { value: 0.0005 }],
  ] as const) {
    assert.deepEqual(argumentOf(text), wanted)
  }
})
