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
import { ofAnotherInstallation, vmsOf } from './matrix.ts'
import type { SetupContext } from '@freehold/appliance/setup/context'
import { setupSteps } from '@freehold/appliance/setup/setup'
import { parseDescription } from '@freehold/appliance/hypervisor/proxmox/metadata'

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

  test('denies a third clone or resize at once: six creates keep to two allocations of a storage until their tasks have ended', async (t) => {
    const stand = await openDriverStand({ journalFile: join(folder, 'six.json') })
    t.after(() => stand.close())
    await stand.hypervisor.importTemplate(template)
    stand.world.pace = 0.1
    let [most, resizes] = [0, 0]
    const { startTask } = stand.world
    stand.world.startTask = (...begun) => {
      const upid = startTask.apply(stand.world, begun)
      const running = [...stand.world.tasks.values()].filter(
        (task) => /^(qmclone|resize)$/.test(task.type) && task.endtime === undefined,
      )
      if (begun[1] === 'resize') resizes++
      most = Math.max(most, running.length)
      return upid
    }
    const tokens = [1n, 2n, 3n, 4n, 5n, 6n]
    await Promise.all(tokens.map((token) => stand.hypervisor.create(spec(token))))
    assert.deepEqual(
      tokens.map((token) => vmsOf(stand, testKey(token)).length),
      [1, 1, 1, 1, 1, 1],
    )
    assert.deepEqual([most, resizes], [2, 6])
  })

  test('a node that was down at the import, and came back, lacks the template: it is named, and setup brings it there', async (t) => {
    const stand = await openDriverStand({ nodes: ['pve1', 'pve2'], journalFile: join(folder, 'late.json') })
    t.after(() => stand.close())
    await stand.setOnline('pve2', false)
    await stand.hypervisor.importTemplate(template)
    assert.equal((await stand.hypervisor.templates())[0]?.missingOn, undefined)
    await stand.setOnline('pve2', true)
    assert.deepEqual((await stand.hypervisor.templates())[0]?.missingOn, ['pve2'])
    const told = async () => ((await stand.again().problems?.()) ?? []).map((p) => `${p.code} ${p.subject}`)
    assert.deepEqual(await told(), ['template-not-on-node pve2'])
    const step = setupSteps.find((one) => one.name === 'template')
    assert.ok(step !== undefined)
    const context = {
      answers: { template: { image: template.path, sha256: template.sha256 } },
      hypervisor: () => Promise.resolve(stand.hypervisor),
      journal: { get: () => Promise.resolve(template.sha256), put: () => Promise.resolve() },
      hooks: {},
    } as unknown as SetupContext
    const io = { signal: new AbortController().signal, log: () => undefined, progress: () => undefined }
    assert.equal(await step.check(context), false)
    await step.run(context, io)
    assert.equal(await step.check(context), true)
    assert.deepEqual(await told(), [])
    const templates = [...stand.world.vms.values()].filter((vm) => vm.config['template'] === 1)
    assert.deepEqual(templates.map((vm) => vm.node).toSorted(), ['pve1', 'pve2'])
    // both take VMs now; once more is no second import
    const from = stand.log.length
    await step.run(context, io)
    assert.deepEqual(
      stand.log.slice(from).filter((asked) => asked.verb !== 'GET'),
      [],
    )
    for (const token of [1n, 2n]) await stand.hypervisor.create(spec(token))
    assert.notEqual(nodeOf(stand, 1n), nodeOf(stand, 2n))
  })

  test('a storage without linked clones: the clone is a full one', async (t) => {
    const stand = await openDriverStand({ journalFile: join(folder, 'full.json') })
    t.after(() => stand.close())
    await stand.hypervisor.importTemplate(template)
    const disks = stand.world.storages.get('local')
    assert.ok(disks !== undefined)
    disks.type = 'lvm'
    const from = stand.log.length
    await stand.hypervisor.create(spec(1n))
    const clones = stand.log.slice(from).filter((asked) => asked.path.endsWith('/clone'))
    assert.deepEqual(
      clones.map(({ given, status }) => [given?.['full'], given?.['storage'], status]),
      [
        ['0', undefined, 500],
        ['1', 'local', 200],
      ],
    )
    const [vm] = vmsOf(stand, testKey(1n))
    assert.ok(vm !== undefined)
    assert.equal(stand.world.volume(vm.node, String(vm.config['virtio0']).split(',')[0] ?? '')?.parent, undefined)
  })

  test('a full storage on the best node: the VM is made on another, nothing is left', async (t) => {
    const stand = await open(t)
    stand.faults.arm({ kind: 'storage-full' }, { method: 'POST', path: /clone$/, times: 1 })
    await stand.hypervisor.create(spec(1n))
    const [strike, ...more] = stand.faults.struck
    assert.ok(strike !== undefined && more.length === 0)
    const full = /"node":"(\w+)"/.exec(strike.at)?.[1]
    assert.ok(full !== undefined && stand.world.nodes.has(full), strike.at)
    assert.equal(vmsOf(stand, testKey(1n)).length, 1)
    assert.notEqual(nodeOf(stand, 1n), full)
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

  test('foreign VMs in our range, of another installation, with a copied description: never taken for ours, untouched', async (t) => {
    const stand = await open(t)
    await stand.hypervisor.create(spec(1n))
    const ours = vmsOf(stand, testKey(1n))[0]
    assert.ok(ours !== undefined)
    const add = (vmid: number, config: Record<string, string | number>) => stand.world.newVm('pve1', vmid, config, 'freehold')
    add(10_950, { name: 'somebody', memory: '512' })
    add(10_951, { ...ours.config, name: 'copy-of-ours' })
    add(10_952, { ...ours.config })
    const others = ofAnotherInstallation(10_953)
    assert.ok(parseDescription(others.description, { vmid: 10_953, name: others.name }) !== undefined, 'not whole')
    add(10_953, { ...ours.config, ...others })
    add(20_000, { ...ours.config })
    const before = JSON.stringify(
      [...stand.world.vms.values()].filter((vm) => vm !== ours).map((vm) => [vm.vmid, vm.config, vm.power]),
    )
    // that of another installation is told of under its own name, so that a person learns of it
    assert.deepEqual((await stand.hypervisor.list()).map((vm) => vm.key.installation).toSorted(), [
      'abcdef012345',
      'fedcba987654',
    ])
    await stand.hypervisor.destroy(testKey(1n))
    assert.ok(!stand.world.vms.has(ours.vmid))
    assert.equal(
      JSON.stringify([...stand.world.vms.values()].filter((vm) => vm !== ours).map((vm) => [vm.vmid, vm.config, vm.power])),
      before,
    )
  })
})
