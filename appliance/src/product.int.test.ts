import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from './clock/clock.ts'
import { parseConfig } from './config/load.ts'
import { checkout } from './dev/builds.ts'
import type { Hypervisor } from './hypervisor/port.ts'
import { startProduct } from './product.ts'
import { TaskEvents } from './steps/task-events.ts'
import { openStore } from './store/store.ts'

test('denies a start with a key that others may read, and lets go of the hypervisor', async (t) => {
  const stateFolder = await mkdtemp(join(tmpdir(), 'freehold-product-'))
  t.after(() => rm(stateFolder, { recursive: true }))
  await mkdir(join(stateFolder, 'secrets'))
  await writeFile(join(stateFolder, 'secrets/provisioner.key'), 'seen by everybody', { mode: 0o644 })
  const store = await openStore(join(stateFolder, 'freehold.db'), { clock: systemClock })
  t.after(() => store.close())
  let closed = 0
  const starting = startProduct({
    version: 'test',
    config: parseConfig(await readFile(join(checkout, 'scripts/embedded.yaml'), 'utf8'), 'embedded.yaml'),
    stateFolder,
    clock: systemClock,
    store,
    hypervisor: { close: async () => void (closed += 1) } as unknown as Hypervisor,
    events: new TaskEvents(),
    log: { info: () => undefined, error: () => undefined } as never,
  })
  await assert.rejects(starting, { code: 'config-unreadable' })
  assert.equal(closed, 1)
})
