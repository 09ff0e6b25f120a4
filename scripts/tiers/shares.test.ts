import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failedFiles, readLines } from './by-file.ts'
import { budget, capabilityOf, ofWallTime, shareLines } from './shares.ts'

test('the budgets of all capabilities stay under the 80 minutes of a cold run', () => {
  assert.ok(Object.values(budget).reduce((sum, minutes) => sum + minutes, 0) < 80)
})

test('a file belongs to one capability, by the first place that names it', () => {
  for (const [file, capability] of [
    ['testing/pve/replay.int.test.ts', 'Proxmox'],
    ['appliance/src/wasm/service.int.test.ts', 'WASM'],
    ['testing/stands/broker/failover.int.test.ts', 'broker'],
    ['testing/stands/bridge/life.vm.test.ts', 'nothing lost'],
    ['appliance/src/setup/wizard/kill.int.test.ts', 'setup'],
    ['testing/e2e/sign-in.e2e.ts', 'login'],
    ['testing/e2e/console.e2e.ts', 'console'],
    ['testing/e2e/main-job.e2e.ts', 'main job'],
    ['appliance/src/chain/events.int.test.ts', 'main job'],
    ['./scripts/test-pam-web3.sh', 'login'],
    ['appliance/src/api/ssh-certificates.int.test.ts', 'login'],
    ['testing/tls/certificates.int.test.ts', 'main job'],
    ['./scripts/build-template.sh', 'main job'],
    ['./scripts/build-pam-web3.sh', 'main job'],
  ] as const) {
    assert.equal(capabilityOf(file), capability, file)
  }
})

test('what is over its share is marked, what took no time has no line', () => {
  const lines = shareLines(
    new Map([
      ['login', 361],
      ['setup', 60],
    ]),
  )
  assert.deepEqual(lines, ['login          6.0 of 6 min  over', 'setup          1.0 of 5 min'])
})

test('files beside each other share the minutes that went by; one after the other each has its own', () => {
  const files = [
    { file: 'a', seconds: 90 },
    { file: 'b', seconds: 30 },
  ]
  assert.deepEqual(
    ofWallTime(files, 60).map((f) => f.seconds),
    [45, 15],
  )
  assert.deepEqual(ofWallTime(files, 130), files)
})

test('a killed run leaves its whole lines; a file with two failed tests is run again once', () => {
  const lines = readLines('{"file":"a","failed":true,"seconds":1}\n{"file":"a","failed":true,"seconds":1}\n{"file":"b","fai')
  assert.equal(lines.length, 2)
  assert.deepEqual(failedFiles(lines), ['a'])
})
