import { createHash } from 'node:crypto'
import { markOf, vmIdOf } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import type { VerbOptions } from '../port.ts'
import { snapshots, upid } from './answers.ts'
import { snapshotName, type SnapshotName } from './formats.ts'
import type { Inventory, OurVm } from './inventory.ts'
import type { ProxmoxOptions } from './options.ts'
import { watchOf, type PveServer } from './server.ts'
import { taskLimitsMs } from './tasks.ts'

// The port's name stands in the description of a snapshot; Proxmox's own name is short, and new each time, so that the new
// one can stand before the old one goes.
const prefix = 'fh-'
/** Below this share of free space no snapshot is taken (design §6). */
const leastFree = 0.1

const pathOf = (vm: OurVm) => `/nodes/${vm.node}/qemu/${vm.vmid}/snapshot`

interface Taken {
  name: string
  portName: string
  snaptime: number
}

/** Our snapshots of a VM, newest first. */
async function listOurs(server: PveServer, vm: OurVm): Promise<Taken[]> {
  const all = await server.client.get(pathOf(vm), snapshots)
  return all
    .filter((s) => s.name.startsWith(prefix))
    .map((s) => ({ name: s.name, portName: (s.description ?? '').trim(), snaptime: s.snaptime ?? 0 }))
    .toSorted((a, b) => b.snaptime - a.snaptime)
}

/** The number rises, so that two of the same second are told apart. */
function newName(name: string, before: readonly Taken[]): SnapshotName {
  const short = createHash('sha256').update(name).digest('hex').slice(0, 10)
  return snapshotName.parse(`${prefix}${short}-${Math.max(0, ...before.map(numberOf)) + 1}`)
}

function numberOf(taken: Taken): number {
  return Number(/-(\d+)$/.exec(taken.name)?.[1] ?? 0)
}

/** Takes one beside those that are there. Throws `storage-full`, PveError. */
export async function takeSnapshot(
  server: PveServer,
  inventory: Inventory,
  options: ProxmoxOptions,
  vm: OurVm,
  name: string,
  verb: VerbOptions,
): Promise<void> {
  const { storages } = await inventory.overview()
  const { disk = 0, maxdisk = 0 } = storages.find((s) => s.node === vm.node) ?? {}
  if (maxdisk > 0 && (maxdisk - disk) / maxdisk < leastFree) {
    throw new AppError({ code: 'storage-full', detail: `Less than 10 % of the storage ${options.diskStorage} is free.` })
  }
  const snapname = newName(name, await listOurs(server, vm))
  await server.reach({
    about: markOf(vm.metadata.key),
    node: vm.node,
    vmid: vm.vmid,
    done: async () => (await listOurs(server, vm)).some((s) => s.name === snapname),
    act: () => server.client.post(pathOf(vm), upid, { snapname, description: name, vmstate: 0 }),
    watch: watchOf(taskLimitsMs.snapshot, 'snapshot', verb),
  })
}

/** Drops all of ours but the newest of that name. */
export async function dropSnapshots(server: PveServer, vm: OurVm, keep: string, verb: VerbOptions): Promise<void> {
  const all = await listOurs(server, vm)
  const kept = newest(all, keep)
  for (const { name } of all) {
    if (name === kept?.name) continue
    await server.reach({
      about: markOf(vm.metadata.key),
      node: vm.node,
      vmid: vm.vmid,
      done: async () => !(await listOurs(server, vm)).some((s) => s.name === name),
      act: () => server.client.delete(`${pathOf(vm)}/${name}`, upid),
      watch: watchOf(taskLimitsMs.snapshot, 'snapshot', verb),
    })
  }
}

function newest(all: readonly Taken[], portName: string): Taken | undefined {
  return all.filter((s) => s.portName === portName).toSorted((a, b) => b.snaptime - a.snaptime || numberOf(b) - numberOf(a))[0]
}

/** Back to the newest of that name. The VM is stopped for it, and stays so. Throws `not-found`. */
export async function rollbackTo(
  server: PveServer,
  vm: OurVm,
  name: string,
  verb: VerbOptions,
  switchOff: () => Promise<void>,
): Promise<void> {
  const taken = newest(await listOurs(server, vm), name)
  if (taken === undefined) {
    throw new AppError({ code: 'not-found', detail: `VM ${vmIdOf(vm.metadata.key)} has no snapshot of this name.` })
  }
  await switchOff()
  let ended = false
  await server.reach({
    about: markOf(vm.metadata.key),
    node: vm.node,
    vmid: vm.vmid,
    // going back twice to the same day is going back once
    done: () => Promise.resolve(ended),
    act: async () => {
      const task = await server.client.post(`${pathOf(vm)}/${taken.name}/rollback`, upid)
      await server.follow(task, markOf(vm.metadata.key), watchOf(taskLimitsMs.rollback, 'rollback', verb))
      ended = true
      return undefined
    },
    watch: watchOf(taskLimitsMs.rollback, 'rollback', verb),
  })
}
