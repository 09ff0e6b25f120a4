import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HexBytes, longHexAnswer } from './hex-bytes.ts'

const digits = 'ab'.repeat(40_000)
const answer = (text: string) => longHexAnswer(Buffer.from(text))

test('denies all but one long hex result: JSON is parsed then', () => {
  for (const text of [
    `{"jsonrpc":"2.0","id":1,"result":"0x${'ab'.repeat(100)}"}`,
    `[{"jsonrpc":"2.0","id":1,"result":"0x${digits}"}]`,
    `{"jsonrpc":"2.0","id":1,"error":{"message":"${digits}"}}`,
    `{"jsonrpc":"2.0","id":1,"result":"0x${digits}","more":1}`,
    `{"jsonrpc":"2.0","id":1,"result":"0x${digits}`,
    `{"jsonrpc":"2.0","id":1,"result":["0x${digits}"]}`,
  ]) {
    assert.equal(answer(text), undefined, text.slice(0, 60))
  }
})

test('is the text that JSON would have given, and tells equal ones apart from others', () => {
  const found = answer(`{"jsonrpc":"2.0","id":7,"result":"0x${digits}"}\n`)
  assert.equal(found?.id, 7)
  assert.ok(found.result instanceof HexBytes)
  assert.equal(String(found.result), `0x${digits}`)
  const same = answer(`{"jsonrpc":"2.0","id":8,"result":"0x${digits}"}`)
  const other = answer(`{"jsonrpc":"2.0","id":8,"result":"0x${digits.slice(0, -1)}c"}`)
  assert.equal(found.result.digest(), same?.result.digest())
  assert.notEqual(found.result.digest(), other?.result.digest())
})
