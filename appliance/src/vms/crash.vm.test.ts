import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, type TestContext } from 'node:test'
import getPort from 'get-port'
import { reliability } from '../dev/reliability.ts'
import {
  insideGuest,
  openDriver,
  openStand,
  tinyGuest,
  until,
  withRoom,
  type LibvirtStand,
} from '../hypervisor/libvirt/test-stand.ts'
import { embeddedPlan } from '../network/address-plan.ts'
import { createAddressTable } from '../network/address-table.ts'
import { Stand } from './test-stand.ts'

/** A paid VM of the tiny guest on a libvirtd of its own, delivered by the loop. */
async function delivered(t: TestContext): Promise<{ stand: Stand; libvirt: LibvirtStand; again(): Promise<void> }> {
  const libvirt = await openStand(t)
  const image = await tinyGuest()
  await libvirt.hypervisor.importTemplate(image)
  const stand = await Stand.open()
  t.after(() => stand.store.close())
  const port = await getPort({ host: '127.0.0.1' })
  const again = async (): Promise<void> => {
    await stand.restart({
      hypervisor: withRoom(libvirt.hypervisor),
      template: () => Promise.resolve(image.sha256),
      addresses: createAddressTable(embeddedPlan({ from: port, to: port }), stand.store.addresses),
      backOff: { attempts: 1, firstSeconds: 0, factor: 1, longestSeconds: 0 },
    })
  }
  await again()
  stand.chain.buy()
  await stand.reconciler.pass()
  await until('the VM to run', 60, async () => (await libvirt.hypervisor.list())[0]?.state === 'running')
  const [record] = await libvirt.hypervisor.list()
  assert.ok(record !== undefined)
  // the tiny guest has no agent of ours: its report is made here
  await stand.report(record.key)
  await stand.reconciler.settled()
  await stand.settle()
  assert.deepEqual(stand.provisioner.sent, ['activate 1'])
  return { stand, libvirt, again }
}

/** SIGKILL by its pid: nothing is tidied up, pid file and sockets stay behind as after a crash. */
async function killLibvirtd({ runFolder }: LibvirtStand): Promise<void> {
  const pid = Number(await readFile(join(runFolder, 'sock/libvirtd.pid'), 'utf8'))
  const name = await readFile(`/proc/${pid}/comm`, 'utf8')
  assert.match(name, /^libvirtd/)
  process.kill(pid, 'SIGKILL')
  await until('libvirtd to be gone', 10, () => !existsSync(`/proc/${pid}/exe`))
}

/** The insides of the one VM. */
async function inside({ hypervisor }: LibvirtStand): ReturnType<typeof insideGuest> {
  const [record] = await hypervisor.list()
  assert.ok(record !== undefined)
  return await insideGuest(hypervisor, record.key)
}

async function assertWhole(stand: Stand, libvirt: LibvirtStand): Promise<void> {
  const vms = await libvirt.hypervisor.list()
  assert.deepEqual(
    vms.map(({ key, state, autostart }) => [key.tokenId, key.generation, state, autostart]),
    [[1n, 1, 'running', true]],
  )
  assert.equal(libvirt.machines().length, 1)
  assert.deepEqual(stand.provisioner.sent, ['activate 1'], 'nothing is sent twice')
  assert.deepEqual(stand.issues(), [])
}

suite('crashes under a paid VM', () => {
  reliability('crash-libvirtd', 'libvirtd is gone: the VM runs on, nothing is taken for absent', async (fault, t) => {
    const { stand, libvirt } = await delivered(t)
    const machines = libvirt.machines()
    await killLibvirtd(libvirt)
    stand.chain.buy()
    await stand.settle()
    fault.struck(stand.issues().filter((code) => code === 'hypervisor-down'))
    assert.deepEqual(libvirt.machines(), machines, 'the guest never noticed')
    assert.deepEqual(stand.provisioner.sent, ['activate 1'])
    stand.chain.endFor(2n)
    stand.chain.finalize()
    await libvirt.restart()
    await until('the loop to find the VM again', 20, async () => {
      await stand.settle()
      return stand.issues().length === 0
    })
    assert.deepEqual(libvirt.machines(), machines)
    await assertWhole(stand, libvirt)
  })

  reliability('crash-qemu', 'QEMU is killed: the paid VM is started again, on its own disk', async (fault, t) => {
    const { stand, libvirt } = await delivered(t)
    const [pid] = libvirt.machines()
    assert.ok(pid !== undefined)
    await (await inside(libvirt)).write('kept')
    process.kill(pid, 'SIGKILL')
    await until('QEMU to be gone', 10, () => !libvirt.machines().includes(pid))
    fault.struck(pid)
    await until('the VM to run again', 30, async () => {
      await stand.settle()
      return (await libvirt.hypervisor.list())[0]?.state === 'running'
    })
    assert.ok(!libvirt.machines().includes(pid))
    assert.equal(await (await inside(libvirt)).read(), 'kept')
    await assertWhole(stand, libvirt)
  })

  reliability('crash-host-reboot', 'V3: the host reboots: the paid VM runs again before anybody asks', async (fault, t) => {
    const { stand, libvirt, again } = await delivered(t)
    await (await inside(libvirt)).write('kept')
    await stand.reconciler.stop()
    const before = libvirt.machines()
    await killLibvirtd(libvirt)
    for (const pid of before) process.kill(pid, 'SIGKILL')
    await until('the machines to be gone', 10, () => libvirt.machines().length === 0)
    fault.struck(before)
    // a reboot empties /run: libvirtd starts what is to start by itself once per boot
    await rm(libvirt.runFolder, { recursive: true })
    await libvirt.restart()
    await until('autostart to have run', 30, () => libvirt.machines().length === 1)
    await libvirt.hypervisor.close()
    libvirt.hypervisor = await openDriver(libvirt.libvirtd.uri, libvirt.folder, libvirt.runFolder)
    await again()
    await stand.settle()
    assert.equal(await (await inside(libvirt)).read(), 'kept')
    await assertWhole(stand, libvirt)
  })

  reliability(
    'crash-guest-panic',
    'V4: the guest panics: it boots again with its data, and its subscription stands',
    async (fault, t) => {
      const { stand, libvirt } = await delivered(t)
      const machines = libvirt.machines()
      const guest = await inside(libvirt)
      await guest.write('kept')
      // resolves once the console shows the second boot
      const { kernel = assert.fail('this guest has no kernel') } = guest
      const boots = await kernel.boots()
      await kernel.panic()
      assert.ok((await kernel.boots()) > boots)
      fault.struck(machines)
      assert.equal(await (await inside(libvirt)).read(), 'kept')
      await stand.settle()
      await assertWhole(stand, libvirt)
    },
  )
})
