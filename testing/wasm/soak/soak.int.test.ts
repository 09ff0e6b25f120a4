import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mib, runSoak } from './run-soak.ts'

// a minute of what `npm run soak:wasm` does for 45
test('a minute of mixed calls: no wrong answer, and memory of the second half within 1.05 of the first', async (t) => {
  const { calls, wrong, firstHalf, secondHalf } = await runSoak({
    seconds: 45,
    warmUpSeconds: 15,
    callers: 6,
    report: (line) => t.diagnostic(line),
  })
  t.diagnostic(`${calls} calls, ${mib(firstHalf)} MiB, then ${mib(secondHalf)} MiB`)
  assert.deepEqual(wrong, [])
  assert.ok(calls > 200, `${calls} calls`)
  assert.ok(secondHalf <= 1.05 * firstHalf, `${mib(firstHalf)} MiB, then ${mib(secondHalf)} MiB`)
})
