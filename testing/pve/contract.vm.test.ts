import { mkdtempSync, readdirSync } from 'node:fs'
import type { TestContext } from 'node:test'
import getPort from 'get-port'
import { hypervisorSuite, type Twin } from '@freehold/appliance/hypervisor/contract-suite'
import { insideGuest, tinyGuest } from '../../appliance/src/hypervisor/libvirt/test-stand.ts'
import { openDriverStand } from './driver-stand.ts'
import { serverTwin } from './driver-twin.ts'
import { createQemuMachines } from './qemu-machines.ts'

// The same suite with real disks and real guests: the tiny one, seven boots under TCG. The suite at fake speed is in the
// default run; this one is in --all.

async function openTwin(t: TestContext): Promise<Twin> {
  const template = await tinyGuest()
  const folder = mkdtempSync('/tmp/pveq-')
  const stand = await openDriverStand({ machines: createQemuMachines(folder), pace: 0.02 })
  t.after(() => stand.close())
  const { hypervisor } = stand
  return {
    hypervisor,
    template,
    freePort: () => getPort({ host: '127.0.0.1' }),
    guest: (key) => insideGuest(hypervisor, key),
    ...serverTwin(stand, (vmId) =>
      readdirSync(folder, { recursive: true })
        .map(String)
        .filter((name) => name.includes(vmId)),
    ),
  }
}

if (process.env['FREEHOLD_ALL'] === '1') hypervisorSuite('proxmox, real guests', openTwin)
