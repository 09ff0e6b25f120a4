import { mkdtempSync, readdirSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { hypervisorSuite, type Twin } from '@freehold/appliance/hypervisor/contract-suite'
import { vmIdOf } from '@freehold/appliance/chain/installation'
import { domainNameOf } from '@freehold/appliance/hypervisor/names'
import { freePort, insideGuest, tinyGuest } from '../../appliance/src/hypervisor/libvirt/test-stand.ts'
import { openDriverStand } from './driver-stand.ts'
import { createQemuMachines } from './qemu-machines.ts'

// The same suite with real disks and real guests: the tiny one, seven boots under TCG. The suite at fake speed is in the
// default run; this one is in --all.

async function openTwin(t: TestContext): Promise<Twin> {
  const template = await tinyGuest()
  const folder = mkdtempSync('/tmp/pveq-')
  const stand = await openDriverStand({ machines: createQemuMachines(folder), pace: 0.02 })
  t.after(() => stand.close())
  const { world, hypervisor } = stand
  return {
    hypervisor,
    template,
    freePort,
    guest: (key) => insideGuest(hypervisor, key),
    traces: (key) =>
      Promise.resolve([
        ...[...world.vms.values()].filter((vm) => vm.config['name'] === domainNameOf(key)).map((vm) => `VM ${vm.vmid}`),
        ...readdirSync(folder, { recursive: true })
          .map(String)
          .filter((name) => name.includes(vmIdOf(key))),
        ...[...world.volumes.values()]
          .filter((v) => v.vmid !== undefined && !world.vms.has(v.vmid))
          .map((v) => `${v.volid} of no VM`),
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

if (process.env['FREEHOLD_ALL'] === '1') hypervisorSuite('proxmox, real guests', openTwin)
