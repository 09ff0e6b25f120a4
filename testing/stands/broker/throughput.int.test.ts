import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureThroughput } from './throughput.ts'

// the ratio to the bare tunnel is a row of the bench: what else runs on two cores strikes one side or the other
test('TCP from the Internet to a VM passes, and how much of the bare tunnel is printed', async (t) => {
  const { bare, whole } = await measureThroughput((so) => so.whole.length === 2)
  const [most, alone] = [Math.max(...whole), Math.max(...bare)]
  t.diagnostic(`Internet to VM ${most} Mbit/s, bare tunnel ${alone} Mbit/s: ${(most / alone).toFixed(2)}`)
  assert.ok(alone > 1, 'the bare tunnel carries something')
  assert.ok(most > 1, 'the way through the broker carries something')
})
