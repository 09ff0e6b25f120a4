import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test, type TestContext } from 'node:test'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { AppError } from '@freehold/appliance/errors/app-error'
import { openDriverStand, type DriverStand } from './driver-stand.ts'
import { vmsOf } from './matrix.ts'

// What three nodes do rests on the schema and public documentation: the recordings know one.

const folder = mkdtempSync(join(tmpdir(), 'pve-cluster-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }
const spec = (token: bigint, buyer = '0x00000000000000000000000000000000000000aa') => ({
  ...testSpec(testKey(token), template.sha256, 20_000),
  origin: { buyer, boughtBlock: 7 },
})

async function open(t: TestContext): Promise<DriverStand> {
  const stand = await openDriverStand({
    nodes: ['pve1', 'pve2', 'pve3'],
    journalFile: join(folder, `${t.name.slice(0, 20)}.json`),
  })
  t.after(() => stand.close())
  await stand.hypervisor.importTemplate(template)
  return stand
}
const nodeOf = (stand: DriverStand, token: bigint) => vmsOf(stand, testKey(token))[0]?.node

suite('Proxmox cluster of three', () => {
  test('a template comes to every node; VMs of one buyer are spread, others go where memory is', async (t) => {
    const stand = await open(t)
    const templates = [...stand.world.vms.values()].filter((vm) => vm.config['template'] === 1)
    assert.deepEqual(templates.map((vm) => vm.node).toSorted(), ['pve1', 'pve2', 'pve3'])
    for (const token of [1n, 2n, 3n]) await stand.hypervisor.create(spec(token))
    assert.equal(new Set([1n, 2n, 3n].map((token) => nodeOf(stand, token))).size, 3)
    const big = stand.world.nodes.get('pve2')
    if (big !== undefined) big.memoryMiB *= 2
    await stand.hypervisor.create(spec(4n, '0x00000000000000000000000000000000000000bb'))
    assert.equal(nodeOf(stand, 4n), 'pve2')
    assert.equal((await stand.hypervisor.templates())[0]?.usedBy, 4)
  })

  test('a full storage on the best node: the VM is made on another, nothing is left', async (t) => {
    const stand = await open(t)
    stand.faults.arm({ kind: 'storage-full' }, { times: 1 })
    await stand.hypervisor.create(spec(1n))
    assert.equal(stand.faults.struck.length, 1)
    assert.equal(vmsOf(stand, testKey(1n)).length, 1)
    assert.equal([...stand.world.volumes.values()].filter((v) => v.vmid !== undefined && !stand.world.vms.has(v.vmid)).length, 0)
  })

  test('a node that is down: its VM is unknown, never gone, never made again; back when it returns', async (t) => {
    const stand = await open(t)
    for (const token of [1n, 2n, 3n]) {
      await stand.hypervisor.create(spec(token))
      await stand.hypervisor.start(testKey(token))
    }
    const node = nodeOf(stand, 2n) ?? ''
    await stand.setOnline(node, false)
    for (const driver of [stand.hypervisor, stand.again()]) {
      const list = await driver.list()
      assert.deepEqual(
        list.map((vm) => [vm.key.tokenId, vm.state]).toSorted((a, b) => Number(a[0]) - Number(b[0])),
        [
          [1n, 'running'],
          [2n, 'unknown'],
          [3n, 'running'],
        ],
      )
      for (const verb of [
        () => driver.find(testKey(2n)),
        () => driver.create(spec(2n)),
        () => driver.destroy(testKey(2n)),
        () => driver.start(testKey(2n)),
        () => driver.reinstall(testKey(2n), { ...spec(2n), key: testKey(2n, 2) }),
      ]) {
        await assert.rejects(verb, (e) => e instanceof AppError && e.code === 'hypervisor-down', String(verb))
      }
    }
    await stand.hypervisor.create(spec(9n))
    assert.notEqual(nodeOf(stand, 9n), node)
    await stand.setOnline(node, true)
    assert.equal(vmsOf(stand, testKey(2n)).length, 1)
    assert.equal((await stand.hypervisor.find(testKey(2n)))?.state, 'stopped')
    await stand.hypervisor.start(testKey(2n))
    assert.equal((await stand.hypervisor.find(testKey(2n)))?.state, 'running')
  })

  test('a VM that was moved to another node keeps its subscription', async (t) => {
    const stand = await open(t)
    await stand.hypervisor.create(spec(1n))
    const vm = vmsOf(stand, testKey(1n))[0]
    assert.ok(vm !== undefined)
    const target = vm.node === 'pve3' ? 'pve1' : 'pve3'
    for (const volume of [...stand.world.volumes.values()]) {
      if (volume.vmid !== vm.vmid && !volume.volid.includes('freehold-abcdef012345-1-')) continue
      stand.world.volumes.delete(stand.world.volumeKey(vm.node, volume.volid))
      volume.node = target
      stand.world.volumes.set(stand.world.volumeKey(target, volume.volid), volume)
    }
    vm.node = target
    assert.equal((await stand.hypervisor.find(testKey(1n)))?.state, 'stopped')
    await stand.hypervisor.start(testKey(1n))
    assert.equal(vm.power, 'running')
    await stand.hypervisor.destroy(testKey(1n))
    assert.deepEqual(vmsOf(stand, testKey(1n)), [])
  })

  test('a VM that somebody took out of the pool is unknown, not gone, and not made again', async (t) => {
    const stand = await open(t)
    await stand.hypervisor.create(spec(1n))
    const vm = vmsOf(stand, testKey(1n))[0]
    assert.ok(vm !== undefined)
    vm.pool = undefined
    assert.equal((await stand.hypervisor.list())[0]?.state, 'unknown')
    await assert.rejects(stand.hypervisor.create(spec(1n)), { code: 'privilege-missing' })
    assert.equal(vmsOf(stand, testKey(1n)).length, 1)
  })

  test('foreign VMs in our range, of another installation, with a copied description: not listed, untouched', async (t) => {
    const stand = await open(t)
    await stand.hypervisor.create(spec(1n))
    const ours = vmsOf(stand, testKey(1n))[0]
    assert.ok(ours !== undefined)
    const add = (vmid: number, config: Record<string, string | number>) => stand.world.newVm('pve1', vmid, config, 'freehold')
    add(10_950, { name: 'somebody', memory: '512' })
    add(10_951, { ...ours.config, name: 'copy-of-ours' })
    add(10_952, { ...ours.config })
    add(20_000, { ...ours.config })
    const before = JSON.stringify(
      [...stand.world.vms.values()].filter((vm) => vm !== ours).map((vm) => [vm.vmid, vm.config, vm.power]),
    )
    assert.equal((await stand.hypervisor.list()).length, 1)
    await stand.hypervisor.destroy(testKey(1n)).catch(() => undefined)
    assert.equal(
      JSON.stringify([...stand.world.vms.values()].filter((vm) => vm !== ours).map((vm) => [vm.vmid, vm.config, vm.power])),
      before,
    )
  })
})
