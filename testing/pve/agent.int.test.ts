import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test, type TestContext } from 'node:test'
import { systemClock, type Clock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { createProxmoxHypervisor } from '@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor'
import { openDriverStand, type DriverStand } from './driver-stand.ts'
import { vmsOf } from './matrix.ts'
import type { Vm } from './world.ts'

// What the guest agent and the statistics tell, and what a guest that says nothing costs: never a VM.

const folder = mkdtempSync(join(tmpdir(), 'pve-agent-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }
const key = testKey(1n)
const shell = (line: string) => ({ exec: ['/bin/sh', '-c', line] })

async function open(t: TestContext): Promise<{ stand: DriverStand; vm: Vm }> {
  const stand = await openDriverStand()
  t.after(() => stand.close())
  await stand.hypervisor.importTemplate(template)
  await stand.hypervisor.create(testSpec(key, template.sha256, 20_000))
  const [vm] = vmsOf(stand, key)
  assert.ok(vm !== undefined)
  return { stand, vm }
}

/** What an operator does who wants commands run in guests. */
function grantExec(stand: DriverStand): void {
  stand.access.roles.set('FreeholdVM', `${stand.access.roles.get('FreeholdVM')} VM.GuestAgent.Unrestricted`)
}

/** Hours pass in a moment: waiting moves the time on. */
function hurriedClock(): Clock {
  let ahead = 0
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + ahead,
    async wait(ms, signal) {
      ahead += ms
      await systemClock.wait(1, signal)
    },
  }
}

const coded = (code: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AppError && error.code === code, String(error))
  assert.match(error.detail, says)
  return true
}

suite('Proxmox: the guest agent', () => {
  test('denies to run a command until the operator has granted it, and names the privilege', async (t) => {
    const { stand } = await open(t)
    await stand.hypervisor.start(key)
    await assert.rejects(stand.hypervisor.agent(key, shell('id')), coded('privilege-missing', /VM\.GuestAgent\.Unrestricted/))
  })

  const silent: [string, (stand: DriverStand, vm: Vm) => void][] = [
    ['is stopped', (_, vm) => void (vm.power = 'stopped')],
    ['has no agent in its configuration', (_, vm) => void delete vm.config['agent']],
    ['says nothing', (stand, vm) => void stand.world.silent.add(vm.vmid)],
  ]
  for (const [name, make] of silent) {
    test(`denies every verb of a guest that ${name}, as unreachable; the VM goes on`, async (t) => {
      const { stand, vm } = await open(t)
      await stand.hypervisor.start(key)
      grantExec(stand)
      make(stand, vm)
      for (const verb of ['ping', 'network', 'fs-freeze', 'fs-thaw', shell('id')] as const)
        await assert.rejects(stand.hypervisor.agent(key, verb), coded('agent-unreachable', new RegExp(String(vm.vmid))))
      assert.equal((await stand.hypervisor.find(key))?.state, vm.power)
      await stand.hypervisor.start(key)
      assert.equal(vm.power, 'running')
    })
  }

  test('denies to wait for a command for ever: told after its minute, and the VM goes on', async (t) => {
    const { stand, vm } = await open(t)
    await stand.hypervisor.start(key)
    grantExec(stand)
    const driver = createProxmoxHypervisor({ ...stand.options, clock: hurriedClock(), pace: 1 })
    t.after(() => driver.close())
    await assert.rejects(driver.agent(key, shell('sleep 1000')), coded('timed-out', /60 s/))
    assert.equal(vm.power, 'running')
  })

  test('an asking that is called off ends at once', async (t) => {
    const { stand } = await open(t)
    await stand.hypervisor.start(key)
    grantExec(stand)
    const calledOff = new AbortController()
    const asked = stand.hypervisor.agent(key, shell('sleep 1000'), { signal: calledOff.signal })
    calledOff.abort()
    await assert.rejects(asked)
  })

  test('a command: exit code and both streams; one parameter per word, never one text with blanks', async (t) => {
    const { stand } = await open(t)
    await stand.hypervisor.start(key)
    grantExec(stand)
    const from = stand.log.length
    assert.deepEqual(await stand.hypervisor.agent(key, shell('id; echo err >&2; exit 3')), {
      exitCode: 3,
      stdout: 'uid=0(root) gid=0(root) groups=0(root)\n',
      stderr: 'err\n',
    })
    const [sent] = stand.log.slice(from).filter((asked) => asked.path.endsWith('/agent/exec'))
    assert.deepEqual(sent?.given?.['command'], ['/bin/sh', '-c', 'id; echo err >&2; exit 3'])
    assert.deepEqual(await stand.hypervisor.agent(key, { exec: ['/nosuch'] }), {
      exitCode: 127,
      stdout: '',
      stderr: 'not found\n',
    })
  })

  test('its interfaces are what the guest says, with their addresses', async (t) => {
    const { stand, vm } = await open(t)
    await stand.hypervisor.start(key)
    stand.world.addresses.set(vm.vmid, '10.77.0.9/16')
    const found = (await stand.hypervisor.agent(key, 'network')) as {
      name: string
      'hardware-address': string
      'ip-addresses': { 'ip-address': string }[]
    }[]
    assert.deepEqual(
      found.map((one) => [one.name, one['ip-addresses'].map((address) => address['ip-address'])]),
      [
        ['lo', ['127.0.0.1', '::1']],
        ['eth0', ['10.77.0.9', 'fe80::5054:ff:fe00:101']],
      ],
    )
    assert.equal(found[1]?.['hardware-address'], '52:54:00:00:01:01')
  })

  test('file systems are frozen and thawed', async (t) => {
    const { stand } = await open(t)
    await stand.hypervisor.start(key)
    assert.deepEqual([await stand.hypervisor.agent(key, 'fs-freeze'), await stand.hypervisor.agent(key, 'fs-thaw')], [1, 1])
  })
})

suite('Proxmox: metrics', () => {
  test('denies numbers of a VM that is not there, and invents none of one that is stopped', async (t) => {
    const { stand } = await open(t)
    await assert.rejects(stand.hypervisor.metrics(testKey(9n)), coded('vm-unknown', /9/))
    const { at, ...rest } = await stand.hypervisor.metrics(key)
    assert.ok(at > 0)
    assert.deepEqual(Object.values(rest), [null, null, null, null, null, null])
  })

  test('what the server counts, under its true name and unit', async (t) => {
    const { stand, vm } = await open(t)
    await stand.hypervisor.start(key)
    const { at: _, ...found } = await stand.hypervisor.metrics(key)
    assert.deepEqual(found, {
      // the server tells a share of the moment, not what was used since the start
      cpuSeconds: null,
      memoryUsedMiB: Math.round(Number(vm.config['memory']) / 3),
      diskReadBytes: 59_496_034,
      diskWrittenBytes: 4_067_328,
      networkReceivedBytes: 220,
      networkSentBytes: 586,
    })
  })
})
