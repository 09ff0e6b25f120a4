import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { markOf, type VmKey } from '@freehold/appliance/chain/installation'
import { hypervisorSuite, type Twin } from '@freehold/appliance/hypervisor/contract-suite'
import { openDriverStand, type DriverStand } from './driver-stand.ts'
import { serverTwin } from './driver-twin.ts'
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
    ...serverTwin(stand, (vmId) => [...world.volumes.values()].filter((v) => v.volid.includes(vmId)).map((v) => v.volid)),
  }
}

hypervisorSuite('proxmox', openTwin)
