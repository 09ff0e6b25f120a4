import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkout } from './builds.ts'
import { daemonMalloc, daemonNodeOptions, pagesEnvironment, wasmdFlags, wasmdMalloc } from './daemon-limits.ts'

for (const [unit, limits] of [
  ['freeholdd.service', { NODE_OPTIONS: daemonNodeOptions.join(' '), ...daemonMalloc }],
  ['freehold-web.service', pagesEnvironment],
  ['freehold-wasmd.service', { flags: wasmdFlags.join(' '), ...wasmdMalloc }],
] as const) {
  test(`what embedded mode and measurements run is limited as ${unit} limits it`, () => {
    const text = readFileSync(join(checkout, 'appliance/units', unit), 'utf8')
    const given = [...text.matchAll(/^Environment="?(NODE_OPTIONS|MALLOC_\w+)=([^"\n]*)"?$/gm)]
    const flags = /^ExecStart=\S+ ((?:--\S+ )+)\//m.exec(text)?.[1]?.trim()
    const found = { ...Object.fromEntries(given.map(([, name, value]) => [name, value])), ...(flags !== undefined && { flags }) }
    assert.deepEqual(found, limits)
  })
}
