import { vmIdOf } from '@freehold/appliance/chain/installation'
import type { Twin } from '@freehold/appliance/hypervisor/contract-suite'
import { domainNameOf } from '@freehold/appliance/hypervisor/names'
import type { DriverStand } from './driver-stand.ts'

/** What the suite of hypervisors does to a Proxmox server, whatever its disks and guests are made of. */
export function serverTwin(
  stand: DriverStand,
  disksOf: (vmId: string) => string[],
): Pick<Twin, 'traces' | 'breakDown' | 'unmount' | 'reboot' | 'foreign'> {
  const { world } = stand
  return {
    traces: (key) =>
      Promise.resolve([
        ...[...world.vms.values()].filter((vm) => vm.config['name'] === domainNameOf(key)).map((vm) => `VM ${vm.vmid}`),
        ...disksOf(vmIdOf(key)),
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
