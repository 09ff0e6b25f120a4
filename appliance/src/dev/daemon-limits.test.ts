import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkout } from './builds.ts'
import { daemonMalloc, daemonNodeOptions } from './daemon-limits.ts'

test('what embedded mode and measurements run is limited as the unit limits it', () => {
  const unit = readFileSync(join(checkout, 'appliance/units/freeholdd.service'), 'utf8')
  const given = [...unit.matchAll(/^Environment="?(NODE_OPTIONS|MALLOC_\w+)=([^"\n]*)"?$/gm)].map(([, name, value]) => [
    name,
    value,
  ])
  assert.deepEqual(Object.fromEntries(given), { NODE_OPTIONS: daemonNodeOptions.join(' '), ...daemonMalloc })
})
