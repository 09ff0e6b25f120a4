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
import { createProxmoxHypervisor } from '@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor'
import { openDriverStand, type DriverStand } from './driver-stand.ts'
import { diskOf, vmsOf } from './matrix.ts'

// What a process leaves that dies in the middle, and what the next one makes of it, with nothing but the journal or less.

const folder = mkdtempSync(join(tmpdir(), 'pve-restart-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }
const spec = (token: bigint, generation = 1) => testSpec(testKey(token, generation), template.sha256, 20_000)
let files = 0

async function open(t: TestContext): Promise<DriverStand> {
  const stand = await openDriverStand({ journalFile: join(folder, `${files++}.json`) })
  t.after(() => stand.close())
  await stand.hypervisor.importTemplate(template)
  return stand
}

/** From now on nothing of what is asked there arrives: for the world, the process is dead. */
function die(stand: DriverStand, where: { method?: string; path?: RegExp } = {}): void {
  stand.faults.arm({ kind: 'cut-before' }, { ...where, times: 1e9 })
}

/** The verb dies where it was told to, and the fault surely struck. */
async function dies(stand: DriverStand, work: Promise<unknown>): Promise<void> {
  const before = stand.faults.struck.length
  await assert.rejects(work, (error) => error instanceof AppError)
  assert.ok(stand.faults.struck.length > before, 'the fault never struck')
  stand.faults.clear()
  await stand.world.settle()
}

suite('Proxmox driver: a process that dies in the middle', () => {
  for (const phase of ['seed', 'firewall']) {
    test(`denies to call a reinstall done that died before "${phase}" was through: it is completed, and keeps its protection`, async (t) => {
      const stand = await open(t)
      await stand.hypervisor.create(spec(1n))
      await stand.hypervisor.setFacts(testKey(1n), { activating: true })
      await dies(
        stand,
        stand.hypervisor.reinstall(testKey(1n), spec(1n, 2), { progress: (now) => void (now === phase && die(stand)) }),
      )
      const next = stand.again()
      assert.equal(vmsOf(stand, testKey(1n, 2)).length, 1, 'a half-made VM is there')
      // what the step asks before it calls its work done
      assert.notEqual((await next.find(testKey(1n, 2)))?.facts.activating, true)
      assert.deepEqual(
        (await next.list()).map((vm) => [vm.key.generation, vm.facts.activating]),
        [[1, true]],
      )
      await next.reinstall(testKey(1n), spec(1n, 2))
      const record = await next.find(testKey(1n, 2))
      assert.deepEqual([record?.facts.activating, record?.state], [true, 'stopped'])
      await next.start(testKey(1n, 2))
      assert.deepEqual([vmsOf(stand, testKey(1n)).length, vmsOf(stand, testKey(1n, 2)).length], [0, 1])
    })
  }

  test('both generations are told of when it died before the former one went; the former goes alone', async (t) => {
    const stand = await open(t)
    await stand.hypervisor.create(spec(1n))
    await stand.hypervisor.setFacts(testKey(1n), { activating: true })
    await stand.hypervisor.start(testKey(1n))
    die(stand, { method: 'POST', path: /stop$/ })
    await dies(stand, stand.hypervisor.reinstall(testKey(1n), spec(1n, 2)))
    const next = stand.again()
    assert.deepEqual(
      (await next.list()).map((vm) => vm.key.generation).toSorted((a, b) => a - b),
      [1, 2],
    )
    const [fresh] = vmsOf(stand, testKey(1n, 2))
    assert.ok(fresh !== undefined)
    diskOf(stand, fresh).data = 'new'
    await next.destroy(testKey(1n))
    assert.deepEqual([vmsOf(stand, testKey(1n)).length, vmsOf(stand, testKey(1n, 2)).length], [0, 1])
    assert.equal(diskOf(stand, fresh).data, 'new')
  })

  test('denies a second VM where a clone to another node runs on after the death; it is waited for', async (t) => {
    const stand = await openDriverStand({ nodes: ['pve1', 'pve2'], journalFile: join(folder, `${files++}.json`) })
    t.after(() => stand.close())
    const storage = stand.world.storages.get('local')
    assert.ok(storage !== undefined)
    storage.shared = true
    const busy = stand.world.nodes.get('pve1')
    assert.ok(busy !== undefined)
    await stand.hypervisor.importTemplate(template)
    busy.memoryMiB = 2048
    stand.world.pace = 2
    const dead = { fault: { kind: 'cut-before' }, times: 1e9 } as const
    stand.faults.arm({ kind: 'cut-after' }, { method: 'POST', path: /clone$/, next: dead })
    await assert.rejects(stand.hypervisor.create(spec(1n)), AppError)
    assert.ok(stand.faults.struck.some((s) => s.fault === 'cut-after'))
    stand.faults.clear()
    await stand.again().create(spec(1n))
    await stand.world.settle()
    const found = vmsOf(stand, testKey(1n))
    assert.deepEqual(
      found.map((vm) => vm.node),
      ['pve2'],
    )
    assert.equal(stand.log.filter((l) => l.path.endsWith('/clone')).length, 1)
  })

  test('denies to leave a clone that runs on alone: a destroy waits for it and takes it', async (t) => {
    const stand = await open(t)
    stand.world.pace = 2
    const dead = { fault: { kind: 'cut-before' }, times: 1e9 } as const
    stand.faults.arm({ kind: 'cut-after' }, { method: 'POST', path: /clone$/, next: dead })
    await assert.rejects(stand.hypervisor.create(spec(1n)), AppError)
    assert.ok(stand.faults.struck.some((s) => s.fault === 'cut-after'))
    stand.faults.clear()
    await stand.again().destroy(testKey(1n))
    await stand.world.settle()
    assert.deepEqual(vmsOf(stand, testKey(1n)), [])
    assert.equal(stand.world.reserved.size, 0)
  })

  test('denies to call a VM gone that only a node which is down can tell of, with the journal lost', async (t) => {
    const stand = await openDriverStand({ nodes: ['pve1', 'pve2'] })
    t.after(() => stand.close())
    await stand.hypervisor.importTemplate(template)
    await stand.hypervisor.create(spec(1n))
    const [vm] = vmsOf(stand, testKey(1n))
    assert.ok(vm !== undefined)
    await stand.setOnline(vm.node, false)
    for (const told of ['with its name', 'without its name'] as const) {
      if (told === 'without its name') delete vm.config['name']
      const fresh = stand.again()
      for (const verb of [() => fresh.list(), () => fresh.find(testKey(1n)), () => fresh.create(spec(1n, 2))]) {
        await assert.rejects(
          verb,
          (error) => error instanceof AppError && error.code === 'hypervisor-down',
          `${told}: ${String(verb)}`,
        )
      }
    }
    // what is surely not ours keeps nobody waiting
    vm.config['name'] = 'somebody-else'
    assert.deepEqual(await stand.again().list(), [])
  })

  test('denies to write over what somebody else changed meanwhile', async (t) => {
    const stand = await open(t)
    await stand.hypervisor.create(spec(1n))
    const [vm] = vmsOf(stand, testKey(1n))
    assert.ok(vm !== undefined)
    const from = stand.log.length
    stand.faults.arm({ kind: 'config-changed' }, { method: 'PUT', path: /config$/ })
    await stand.hypervisor.setFacts(testKey(1n), { activating: true })
    assert.deepEqual(
      stand.faults.struck.map((s) => s.fault),
      ['config-changed'],
    )
    const writes = stand.log.slice(from).filter((l) => l.verb === 'PUT' && l.path.endsWith('/config'))
    assert.deepEqual(
      writes.map((w) => w.status),
      [500, 200],
      'the first write went over what it had not read',
    )
    assert.equal(vm.config['hotplug'], 'disk,network')
    assert.match(String(vm.config['description']), /"activating":true/)
    // and nothing at all once the id is somebody else's
    vm.config['description'] = 'mine now'
    const before = JSON.stringify(vm.config)
    await assert.rejects(stand.hypervisor.setFacts(testKey(1n), { activating: false }), AppError)
    assert.equal(JSON.stringify(vm.config), before)
  })
})

suite('Proxmox driver: what only a person can set right', () => {
  test('a clone that died half-way is named with what root must run; the VM is made under another id', async (t) => {
    const stand = await open(t)
    const dead = { fault: { kind: 'cut-before' }, times: 1e9 } as const
    stand.faults.arm({ kind: 'cut-after' }, { method: 'POST', path: /clone$/, next: dead })
    await dies(stand, stand.hypervisor.create(spec(1n)))
    const [half] = vmsOf(stand, testKey(1n))
    assert.ok(half !== undefined)
    // its worker was killed: the id is taken, by nothing that the token may read
    stand.world.vms.delete(half.vmid)
    stand.world.reserved.set(half.vmid, { node: half.node, clone: true })
    const next = stand.again()
    assert.deepEqual(await next.problems?.(), [])
    await next.create(spec(1n))
    const [made] = vmsOf(stand, testKey(1n))
    assert.notEqual(made?.vmid, half.vmid)
    const after = stand.again()
    const found = (await after.problems?.()) ?? []
    assert.deepEqual(
      found.map((p) => p.code),
      ['clone-left-over'],
    )
    assert.match(found[0]?.detail ?? '', new RegExp(`qm unlock ${half.vmid} && qm destroy ${half.vmid}`))
    assert.ok(stand.world.reserved.has(half.vmid), 'it was touched')
    stand.world.reserved.delete(half.vmid)
    assert.deepEqual(await after.problems?.(), [])
  })

  test('a lock without a task is named after 15 minutes, not before, and never taken away', async (t) => {
    const stand = await open(t)
    await stand.hypervisor.create(spec(1n))
    const [vm] = vmsOf(stand, testKey(1n))
    assert.ok(vm !== undefined)
    vm.config['lock'] = 'backup'
    let ahead = 0
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + ahead }
    const driver = createProxmoxHypervisor({ ...stand.options, clock })
    t.after(() => driver.close())
    assert.deepEqual(await driver.problems?.(), [])
    ahead = 14 * 60_000
    assert.deepEqual(await driver.problems?.(), [])
    ahead = 16 * 60_000
    const [problem] = (await driver.problems?.()) ?? []
    assert.equal(problem?.code, 'vm-lock-stuck')
    assert.match(problem?.detail ?? '', new RegExp(`locked \\(backup\\) for 16 minutes.*qm unlock ${vm.vmid}`))
    assert.equal(vm.config['lock'], 'backup')
    delete vm.config['lock']
    assert.deepEqual(await driver.problems?.(), [])
  })

  test('a node that the configuration does not name, and one that is no more', async (t) => {
    const stand = await openDriverStand({ nodes: ['pve1', 'pve2'] })
    t.after(() => stand.close())
    const driver = createProxmoxHypervisor({ ...stand.options, nodeNames: ['pve1', 'pve3'] })
    t.after(() => driver.close())
    assert.deepEqual(
      ((await driver.problems?.()) ?? []).map((p) => `${p.code} ${p.subject}`),
      ['cluster-changed pve2', 'cluster-changed pve3'],
    )
    const same = createProxmoxHypervisor({ ...stand.options, nodeNames: ['pve1', 'pve2'] })
    t.after(() => same.close())
    assert.deepEqual(await same.problems?.(), [])
  })
})
