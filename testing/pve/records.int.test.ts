import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { openDriverStand } from './driver-stand.ts'

const folder = mkdtempSync(join(tmpdir(), 'pve-records-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }

test('O11 list and find name the same page of a VM; a stop of what nobody starts writes no configuration', async (t) => {
  const stand = await openDriverStand()
  t.after(() => stand.close())
  const key = testKey(1n)
  await stand.hypervisor.importTemplate(template)
  await stand.hypervisor.create(testSpec(key, template.sha256, 20_000))
  const [listed] = await stand.hypervisor.list()
  assert.match(listed?.page ?? '', /^https:\/\/[^/]+:\d+\/#v1:0:=qemu%2F\d+$/)
  assert.deepEqual(await stand.hypervisor.find(key), listed)

  const written = () => stand.log.filter((call) => call.verb !== 'GET' && call.path.endsWith('/config')).length
  await stand.hypervisor.start(key)
  const before = written()
  await stand.hypervisor.stop(key, 'force')
  assert.equal(written(), before + 1, 'no start by itself any more')
  await stand.hypervisor.stop(key, 'force')
  assert.equal(written(), before + 1)
})
