import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRecovery, makeRecovery } from './recovery.ts'

test('only the secret opens: not another, not nothing, not with a damaged line; how it is written does not matter', () => {
  const { secret, line } = makeRecovery()
  assert.match(secret, /^(?:[A-HJ-NP-Z2-9]{4}-){3}[A-HJ-NP-Z2-9]{4}$/)
  assert.ok(!line.includes(secret.replaceAll('-', '')))
  for (const typed of [secret, secret.toLowerCase(), ` ${secret.replaceAll('-', ' ')}\n`])
    assert.ok(isRecovery(typed, line), typed)
  for (const typed of ['', makeRecovery().secret, secret.slice(0, -1), `${secret}A`]) assert.ok(!isRecovery(typed, line), typed)
  for (const damaged of ['', 'scrypt', line.slice(0, -9), line.replace('scrypt', 'plain'), `${line}${line}`]) {
    assert.ok(!isRecovery(secret, damaged), damaged)
    assert.ok(!isRecovery('', damaged), damaged)
  }
  assert.notEqual(makeRecovery().secret, makeRecovery().secret)
})
