import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VmMetricsView } from '@freehold/appliance/api/schemas/operator'
import { ratesOf } from './rates.ts'

const at = (seconds: number, more: Partial<VmMetricsView> = {}): VmMetricsView => ({
  at: seconds,
  cpuSeconds: null,
  memoryUsedMiB: null,
  diskReadBytes: null,
  diskWrittenBytes: null,
  networkReceivedBytes: null,
  networkSentBytes: null,
  ...more,
})

test('tells nothing of one look, of two at one time, of what the hypervisor does not tell, or of a counter that began anew', () => {
  assert.deepEqual(ratesOf([at(1)]), [])
  assert.deepEqual(ratesOf([at(1), at(1)]), [])
  const [silent] = ratesOf([at(1), at(2)])
  assert.deepEqual(silent, { at: 2, cpuPercent: null, memoryMiB: null, diskKiBps: null, networkKiBps: null })
  assert.equal(ratesOf([at(1, { cpuSeconds: 9 }), at(2, { cpuSeconds: 1 })])[0]?.cpuPercent, null)
})

test('divides what was added by the time between', () => {
  const [rates] = ratesOf([
    at(10, { cpuSeconds: 1, diskReadBytes: 0, diskWrittenBytes: 1024, networkReceivedBytes: 0 }),
    at(12, { cpuSeconds: 2, memoryUsedMiB: 100, diskReadBytes: 2048, diskWrittenBytes: 3072, networkReceivedBytes: 4096 }),
  ])
  assert.deepEqual(rates, { at: 12, cpuPercent: 50, memoryMiB: 100, diskKiBps: 2, networkKiBps: 2 })
})
