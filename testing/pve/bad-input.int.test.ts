import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test, type TestContext } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { vmConfig } from '@freehold/appliance/hypervisor/proxmox/answers'
import { openClient } from '@freehold/appliance/hypervisor/proxmox/open-client'
import { explained } from '@freehold/appliance/hypervisor/proxmox/server'
import { openDriverStand, waysTo, type DriverStand } from './driver-stand.ts'
import { vmsOf } from './matrix.ts'

// What an operator got wrong, or changed since: each with a code, the value concerned and what to do. Pins and addresses are in
// client.int.test.ts, what enrolment refuses in enrol.int.test.ts.

const folder = mkdtempSync(join(tmpdir(), 'pve-bad-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }
const spec = (token: bigint) => testSpec(testKey(token), template.sha256, 20_000)

async function open(t: TestContext): Promise<DriverStand> {
  const stand = await openDriverStand()
  t.after(() => stand.close())
  await stand.hypervisor.importTemplate(template)
  return stand
}

async function refused(work: Promise<unknown>, code: string, detail: RegExp, hint: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof AppError, String(error))
    assert.deepEqual(
      [error.code, detail.test(error.detail), hint.test(error.hint)],
      [code, true, true],
      `${error.detail} ${error.hint}`,
    )
    return true
  })
}

suite('Proxmox: what an operator got wrong', () => {
  test('denies a template that is in use its removal, and leaves it', async (t) => {
    const stand = await open(t)
    await stand.hypervisor.create(spec(1n))
    await refused(stand.hypervisor.removeTemplate(template.sha256), 'not-in-this-state', /1 disks refer/, /last of them/)
    assert.equal((await stand.hypervisor.templates()).length, 1)
  })

  test('denies a node that the cluster has not, by its name', async (t) => {
    const stand = await open(t)
    const client = openClient(waysTo(stand), stand.token, systemClock)
    t.after(() => client.close())
    const work = explained('look', () => client.get('/nodes/nosuch/qemu/100/config', vmConfig))
    await refused(work, 'hypervisor-down', /nosuch/, /name of the node/)
  })

  for (const [lacks, content] of [
    ['iso', 'import'],
    ['import', 'iso'],
  ] as const) {
    test(`denies a media storage that takes no ${lacks}, before a byte is uploaded, with the command that mends it`, async (t) => {
      const stand = await open(t)
      const media = stand.world.storages.get('freehold-media')
      assert.ok(media !== undefined)
      media.content = content
      const from = stand.log.length
      const other = { path: join(folder, 'other.qcow2'), sha256: '' }
      execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', other.path, '65M'])
      other.sha256 = createHash('sha256').update(readFileSync(other.path)).digest('hex')
      const work = lacks === 'iso' ? stand.hypervisor.create(spec(1n)) : stand.hypervisor.importTemplate(other)
      await refused(
        work,
        'storage-unsuitable',
        new RegExp(lacks),
        new RegExp(`pvesm set freehold-media --content ${content},${lacks}`),
      )
      assert.ok(stand.log.slice(from).every((asked) => !asked.path.endsWith('/upload')))
      assert.deepEqual(vmsOf(stand, testKey(1n)), [])
    })
  }

  test('denies to start on a bridge that is no more, by its name, and keeps the VM', async (t) => {
    const stand = await open(t)
    await stand.hypervisor.create(spec(1n))
    const bridges = stand.world.nodes.get('pve1')?.bridges
    assert.equal(bridges?.delete('vmbr0'), true)
    await refused(stand.hypervisor.start(testKey(1n)), 'bridge-missing', /vmbr0/, /every node/)
    assert.equal(vmsOf(stand, testKey(1n)).length, 1)
    bridges?.add('vmbr0')
    await stand.hypervisor.start(testKey(1n))
    assert.equal(vmsOf(stand, testKey(1n))[0]?.power, 'running')
  })

  test('denies a VM on a full disk where there is no other node: told as such, nothing is left, the next try works', async (t) => {
    const stand = await open(t)
    stand.faults.arm({ kind: 'storage-full' }, { times: 9 })
    await refused(stand.hypervisor.create(spec(1n)), 'storage-full', /no room/, /./)
    assert.ok(stand.faults.struck.some((strike) => strike.fault === 'storage-full'))
    stand.faults.clear()
    assert.deepEqual(vmsOf(stand, testKey(1n)), [])
    assert.deepEqual(
      [...stand.world.volumes.values()].filter((v) => v.vmid !== undefined && !stand.world.vms.has(v.vmid)),
      [],
    )
    await stand.hypervisor.create(spec(1n))
    assert.equal(vmsOf(stand, testKey(1n)).length, 1)
  })
})
