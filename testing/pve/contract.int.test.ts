import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { markOf, vmIdOf, type VmKey } from '@freehold/appliance/chain/installation'
import { hypervisorSuite, type Twin } from '@freehold/appliance/hypervisor/contract-suite'
import { domainNameOf } from '@freehold/appliance/hypervisor/names'
import { openDriverStand, type DriverStand } from './driver-stand.ts'
import type { Vm } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'pve-template-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }

/** The VM of a key as the world has it: by its mark, not by what the driver thinks. */
function vmOf(stand: DriverStand, key: VmKey): Vm {
  const found = [...stand.world.vms.values()].find((vm) => String(vm.config['description'] ?? '').startsWith(`${markOf(key)}\n`))
  if (found === undefined) throw new Error(`the world has no ${markOf(key)}`)
  return found
}

function diskOf(stand: DriverStand, key: VmKey): { data: string } {
  const vm = vmOf(stand, key)
  const volid = String(vm.config['virtio0']).split(',')[0] ?? ''
  const volume = stand.world.volume(vm.node, volid)
  if (volume === undefined) throw new Error(`no volume ${volid}`)
  return volume
}

async function openTwin(t: TestContext): Promise<Twin> {
  const stand = await openDriverStand()
  t.after(() => stand.close())
  const { world, hypervisor } = stand
  // statistics of the server come late: a driver must not take that for absence
  world.statLagMs = 400
  let port = 20_000
  return {
    hypervisor,
    template,
    freePort: () => Promise.resolve(port++),
    guest: (key) =>
      Promise.resolve({
        write: async (text) => void (diskOf(stand, key).data = text),
        read: async () => (diskOf(stand, key).data === '' ? undefined : diskOf(stand, key).data),
        // no kernel runs here: its panic is met by the real guests of contract.vm.test.ts
      }),
    traces: (key) =>
      Promise.resolve([
        ...[...world.vms.values()].filter((vm) => vm.config['name'] === domainNameOf(key)).map((vm) => `VM ${vm.vmid}`),
        ...[...world.volumes.values()].filter((v) => v.volid.includes(vmIdOf(key))).map((v) => v.volid),
        ...[...world.volumes.values()]
          .filter((v) => v.vmid !== undefined && !world.vms.has(v.vmid))
          .map((v) => `${v.volid} of no VM`),
        ...world.reserved.keys().map((vmid) => `reserved ${vmid}`),
      ]),
    async breakDown() {
      await stand.setOnline('pve1', false)
      return () => stand.setOnline('pve1', true)
    },
    unmount() {
      const storage = world.storages.get('local')
      if (storage !== undefined) storage.active = false
      return Promise.resolve(async () => {
        if (storage !== undefined) storage.active = true
      })
    },
    async reboot() {
      await stand.setOnline('pve1', false)
      await stand.setOnline('pve1', true)
      await stand.bootNode('pve1')
    },
    foreign(key) {
      const vm = world.newVm('pve1', 10_500, { name: domainNameOf(key), tags: 'freehold', memory: '512' }, 'freehold')
      return Promise.resolve(async () => void world.vms.delete(vm.vmid))
    },
  }
}

hypervisorSuite('proxmox', openTwin)
