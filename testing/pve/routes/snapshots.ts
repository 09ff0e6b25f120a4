import { flagged, optional, text, type Context, type Routes } from '../context.ts'
import { parseDrive, volumesOf } from '../drives.ts'
import { powerOff } from '../power.ts'
import { died } from '../refusal.ts'
import { digestOf, type Vm, type Volume } from '../world.ts'
import { requireUnlocked, vmOf } from './vms.ts'

/** Disks whose content a snapshot keeps: optical ones have none. */
function disksOf(c: Context, vm: Vm): { key: string; volume: Volume }[] {
  return volumesOf(c, vm.node, vm.config).filter(({ key }) => parseDrive(String(vm.config[key])).options['media'] !== 'cdrom')
}

function take(c: Context): unknown {
  const vm = vmOf(c)
  const name = text(c, 'snapname')
  return c.world.startTask(vm.node, 'qmsnapshot', String(vm.vmid), c.caller.id, (task) =>
    c.world.withVmLock(vm.vmid, async () => {
      requireUnlocked(vm)
      if (vm.snapshots.some((s) => s.name === name)) throw died(`snapshot name '${name}' already used`)
      const disks = disksOf(c, vm)
      if (disks.some(({ volume }) => volume.format === 'raw' && c.world.storages.get(volume.storage)?.type === 'dir')) {
        throw died('snapshot feature is not available')
      }
      for (const { volume } of disks) c.world.requireRoom(vm.node, volume.storage, 2 ** 20)
      const saves = flagged(c, 'vmstate')
      if (saves) task.lines.push(...ramLines(vm, name))
      for (const { key, volume } of disks) {
        task.lines.push(`snapshotting 'drive-${key}' (${volume.volid})`)
        if (vm.power !== 'stopped') task.lines.push('internal qemu snapshot')
        if (volume.path !== undefined) await c.world.machines?.snapshot(vm.vmid, volume, name)
      }
      const { lock: _, ...config } = vm.config
      vm.snapshots.push({
        name,
        description: optional(c, 'description') ?? '',
        snaptime: c.world.now(),
        parent: vm.parent,
        vmstate: saves,
        config: { ...config },
        disks: Object.fromEntries(disks.map(({ volume }) => [volume.volid, volume.data])),
      })
      vm.parent = name
    }),
  )
}

function ramLines(vm: Vm, name: string): string[] {
  const bytes = Number(vm.config['memory'] ?? 512) * 2 ** 20 * 2 + 524_288_000
  return [
    `Formatting '/var/lib/vz/images/${vm.vmid}/vm-${vm.vmid}-state-${name}.raw', fmt=raw size=${bytes} preallocation=off`,
    "saving VM state and RAM using storage 'local'",
    '3.01 MiB in 0s',
    'completed saving the VM state in 0s, saved 181.52 MiB',
  ]
}

function rollback(c: Context): unknown {
  const vm = vmOf(c)
  const name = text(c, 'snapname')
  return c.world.startTask(vm.node, 'qmrollback', String(vm.vmid), c.caller.id, () =>
    c.world.withVmLock(vm.vmid, async () => {
      requireUnlocked(vm)
      const found = vm.snapshots.find((s) => s.name === name)
      if (found === undefined) throw died(`snapshot '${name}' does not exist`)
      await powerOff(c, vm)
      for (const { volume } of disksOf(c, vm)) {
        volume.data = found.disks[volume.volid] ?? volume.data
        if (volume.path !== undefined) await c.world.machines?.rollback(volume, name)
      }
      vm.config = { ...found.config }
      vm.pending = {}
      vm.parent = name
    }),
  )
}

function remove(c: Context): unknown {
  const vm = vmOf(c)
  const name = text(c, 'snapname')
  return c.world.startTask(vm.node, 'qmdelsnapshot', String(vm.vmid), c.caller.id, () =>
    c.world.withVmLock(vm.vmid, async () => {
      requireUnlocked(vm)
      const found = vm.snapshots.find((s) => s.name === name)
      if (found === undefined) throw died(`snapshot '${name}' does not exist`)
      for (const { volume } of disksOf(c, vm))
        if (volume.path !== undefined) await c.world.machines?.removeSnapshot(vm.vmid, volume, name)
      vm.snapshots = vm.snapshots.filter((s) => s !== found)
      for (const other of vm.snapshots) if (other.parent === name) other.parent = found.parent
      if (vm.parent === name) vm.parent = found.parent
    }),
  )
}

/** Snapshots of VMs. */
export const snapshotRoutes: Routes = {
  'GET /nodes/{node}/qemu/{vmid}/snapshot': (c) => {
    const vm = vmOf(c)
    const { parent } = vm
    return [
      ...vm.snapshots.toReversed().map((s) => ({
        description: s.description,
        name: s.name,
        snaptime: s.snaptime,
        vmstate: Number(s.vmstate),
        ...(s.parent !== undefined && { parent: s.parent }),
      })),
      {
        description: 'You are here!',
        digest: digestOf(vm.config),
        name: 'current',
        ...(parent !== undefined && { parent }),
        running: Number(vm.power !== 'stopped'),
      },
    ]
  },
  'POST /nodes/{node}/qemu/{vmid}/snapshot': take,
  'DELETE /nodes/{node}/qemu/{vmid}/snapshot/{snapname}': remove,
  'POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback': rollback,
}
