import { flagged, optional, text, whole, type Context, type Routes } from '../context.ts'
import { allocate, driveText, formattingLine, isDrive, makeDrive, parseDrive, sizeBytes, sizeText, volumesOf } from '../drives.ts'
import { restore as restoreFrom } from './backup.ts'
import { died, forbidden, noSuchVm } from '../refusal.ts'
import { applyKeys, birthConfig, checkKeys, checkState, keysOf, shownConfig, stored } from '../vm-config.ts'
import { newUuid, randomMac, TaskStopped, type Task, type Vm, type VmConfig } from '../world.ts'

const node = (c: Context) => text(c, 'node')

/** The VM of a request. */
export function vmOf(c: Context): Vm {
  return c.world.vm(node(c), whole(c, 'vmid'))
}

function lockOf(vm: Vm): string | undefined {
  const lock = vm.config['lock']
  return lock === undefined ? undefined : String(lock)
}

/** Throws what a lock in the configuration means. */
export function requireUnlocked(vm: Vm): void {
  const lock = lockOf(vm)
  if (lock !== undefined) throw died(`VM is locked (${lock})`)
}

async function fillDrives(c: Context, vmid: number, task: Task): Promise<VmConfig> {
  const values: VmConfig = {}
  for (const key of keysOf(c)) {
    const value = String(c.given[key])
    values[key] = isDrive(key) ? await makeDrive(c, node(c), vmid, key, value, task) : stored(key, value)
  }
  return values
}

/** Takes back what an unfinished create made. */
async function dropVolumes(c: Context, at: string, vmid: number): Promise<void> {
  for (const [key, volume] of c.world.volumes) {
    if (volume.vmid !== vmid || volume.content !== 'images' || (volume.node !== null && volume.node !== at)) continue
    c.world.volumes.delete(key)
    if (c.world.machines !== undefined) await c.world.machines.removeImage(volume)
  }
}

function create(c: Context): unknown {
  const vmid = whole(c, 'vmid')
  const pool = optional(c, 'pool')
  const restore = optional(c, 'archive') !== undefined
  const allowed =
    c.access.may(c.caller, `/vms/${vmid}`, 'VM.Allocate') ||
    (pool !== undefined && c.access.may(c.caller, `/pool/${pool}`, 'VM.Allocate'))
  if (!allowed) throw forbidden()
  if (pool !== undefined && !c.world.pools.has(pool)) throw forbidden(`pool '${pool}' does not exist`)
  checkKeys(c, node(c), vmid, true)
  const verb = restore ? 'restore' : 'create'
  if (c.world.exists(vmid))
    throw died(`unable to ${verb} VM ${vmid} - VM ${vmid} already exists on node '${c.world.nodeOf(vmid)}'`)
  c.world.reserved.set(vmid, { node: node(c), clone: false })
  return c.world.startTask(node(c), restore ? 'qmrestore' : 'qmcreate', String(vmid), c.caller.id, async (task) => {
    try {
      const born = birthConfig(c.world.now())
      const values = restore ? await restoreFrom(c, node(c), vmid, task) : await fillDrives(c, vmid, task)
      if (task.stopped.signal.aborted) throw new TaskStopped()
      c.world.newVm(node(c), vmid, { ...born, ...values }, pool)
    } catch (error) {
      await dropVolumes(c, node(c), vmid)
      if (!(error instanceof Error) || /^unable to (create|restore) VM/.test(error.message)) throw error
      throw died(`unable to create VM ${vmid} - ${error.message}`)
    } finally {
      c.world.reserved.delete(vmid)
    }
  })
}

/** Volumes that are laid over one. */
function childrenOf(c: Context, volid: string, at: string): number {
  return [...c.world.volumes.values()].filter((v) => v.parent === volid && (v.node === null || v.node === at)).length
}

function clone(c: Context): unknown {
  const source = vmOf(c)
  const newid = whole(c, 'newid')
  const pool = optional(c, 'pool')
  if (pool !== undefined && !c.world.pools.has(pool)) throw forbidden(`pool '${pool}' does not exist`)
  requireUnlocked(source)
  const snapname = optional(c, 'snapname')
  if (snapname !== undefined && !source.snapshots.some((s) => s.name === snapname))
    throw died(`snapshot '${snapname}' does not exist`)
  const isTemplate = source.config['template'] === 1
  const full = flagged(c, 'full') || !isTemplate
  const storage = optional(c, 'storage')
  if (!full && storage !== undefined) throw died("parameter 'storage' not allowed for linked clones")
  if (storage !== undefined && !c.world.storages.has(storage)) throw died(`storage '${storage}' does not exist`)
  const target = optional(c, 'target') ?? source.node
  for (const { volume } of volumesOf(c, source.node, source.config)) {
    c.access.require(c.caller, `/storage/${storage ?? volume.storage}`, 'Datastore.AllocateSpace')
    if (!full && c.world.storages.get(volume.storage)?.type === 'lvm') {
      throw died(`Linked clone feature is not supported for drive 'scsi0'`)
    }
  }
  if (c.world.exists(newid) && ![...c.world.reserved.keys()].includes(newid))
    throw died(`unable to create VM ${newid}: config file already exists`)
  return c.world.startTask(
    source.node,
    'qmclone',
    String(source.vmid),
    c.caller.id,
    (task) => cloneWork(c, { source, newid, pool, full, target, storage }, task),
    {
      ms: full ? 1500 : 500,
    },
  )
}

async function cloneWork(
  c: Context,
  at: { source: Vm; newid: number; pool: string | undefined; full: boolean; target: string; storage: string | undefined },
  task: Task,
): Promise<void> {
  const { source, newid, target } = at
  if (c.world.exists(newid)) throw died(`unable to create VM ${newid}: config file already exists`)
  c.world.reserved.set(newid, { node: target, clone: true })
  task.lines.push(`creating a clone of VM ${source.vmid} with ID ${newid}`)
  try {
    const config: VmConfig = { ...source.config }
    for (const key of ['template', 'lock', 'description', 'parent', 'onboot', 'protection']) delete config[key]
    Object.assign(config, { smbios1: `uuid=${newUuid()}`, vmgenid: newUuid() })
    for (const key of Object.keys(config)) {
      if (/^net\d+$/.test(key)) config[key] = String(config[key]).replace(/=[0-9A-F]{2}(:[0-9A-F]{2}){5}/i, `=${randomMac()}`)
    }
    for (const { key, volume } of volumesOf(c, source.node, source.config).toSorted((a, b) => a.key.localeCompare(b.key))) {
      if (key.startsWith('unused')) {
        delete config[key]
        continue
      }
      if (parseDrive(String(source.config[key])).options['media'] === 'cdrom' && volume.content !== 'images') continue
      config[key] = await cloneDrive(c, at, task, key, volume)
      if (task.stopped.signal.aborted) throw new TaskStopped()
    }
    await c.world.wait(100)
    const name = optional(c, 'name') ?? `Copy-of-VM-${String(source.config['name'] ?? source.vmid)}`
    const description = optional(c, 'description')
    const vm = c.world.newVm(target, newid, { ...config, name, ...(description !== undefined && { description }) })
    vm.pool = at.pool
  } catch (error) {
    await dropVolumes(c, target, newid)
    throw error instanceof TaskStopped || !(error instanceof Error) ? error : died(`clone failed: ${error.message}`)
  } finally {
    c.world.reserved.delete(newid)
  }
}

async function cloneDrive(
  c: Context,
  at: { newid: number; full: boolean; target: string; storage: string | undefined },
  task: Task,
  key: string,
  volume: ReturnType<typeof volumesOf>[number]['volume'],
): Promise<string> {
  const cloudinit = volume.volid.includes('-cloudinit')
  const vmid = at.newid
  if (cloudinit) {
    task.lines.push(`create full clone of drive ${key} (${volume.volid})`)
    const made = await allocate(c, at.target, {
      storage: volume.storage,
      vmid,
      format: 'qcow2',
      bytes: volume.sizeBytes,
      kind: 'cloudinit',
    })
    task.lines.push(formattingLine(made), `allocated target volume '${made.volid}'`)
    return `${made.volid},media=cdrom,size=4M`
  }
  const { options } = parseDrive(String(volume.volid))
  void options
  if (at.full) {
    const storage = at.storage ?? volume.storage
    task.lines.push(`create full clone of drive ${key} (${volume.volid})`)
    const format = optional(c, 'format') ?? volume.format
    const make = () => allocate(c, at.target, { storage, vmid, format, bytes: volume.sizeBytes, from: volume })
    const made = await c.world.withLock(`/var/lock/pve-manager/pve-storage-${storage}`, make)
    const size = sizeOf(volume.sizeBytes)
    task.lines.push(
      formattingLine(made),
      `allocated target volume '${made.volid}'`,
      `transferred 0.0 B of ${size} (0.00%)`,
      `transferred ${size} of ${size} (100.00%)`,
    )
    return driveText(made.volid, { size: sizeText(made.sizeBytes) })
  }
  task.lines.push(`create linked clone of drive ${key} (${volume.volid})`)
  const make = () =>
    allocate(c, at.target, {
      storage: volume.storage,
      vmid,
      format: 'qcow2',
      bytes: volume.sizeBytes,
      from: volume,
      linked: true,
    })
  const made = await c.world.withLock(`/var/lock/pve-manager/pve-storage-${volume.storage}`, make)
  const base = volume.volid.split(':')[1] ?? ''
  const own = made.volid.split('/').at(-1) ?? ''
  task.lines.push(
    `clone ${base}: images, ${own}, ${vmid} to ${own} (base=../${base})`,
    `Formatting '/var/lib/vz/images/${vmid}/${own}', fmt=qcow2 cluster_size=131072 extended_l2=on preallocation=${volume.format === 'raw' ? 'off' : 'metadata'} compression_type=zlib size=${volume.sizeBytes} backing_file=../${base} backing_fmt=${volume.format} lazy_refcounts=off refcount_bits=16`,
  )
  return driveText(made.volid, { size: sizeText(made.sizeBytes) })
}

const sizeOf = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`

function template(c: Context): unknown {
  const vm = vmOf(c)
  requireUnlocked(vm)
  if (vm.snapshots.length > 0) throw died('unable to create template, because VM contains snapshots')
  return c.world.startTask(vm.node, 'qmtemplate', String(vm.vmid), c.caller.id, async () => {
    for (const { key, volume } of volumesOf(c, vm.node, vm.config)) {
      if (volume.volid.includes('-cloudinit') || volume.content !== 'images') continue
      const before = c.world.volumeKey(vm.node, volume.volid)
      const renamed = volume.volid.replace(/vm-(\d+-disk)/, 'base-$1')
      c.world.volumes.delete(before)
      vm.config[key] = String(vm.config[key]).replace(volume.volid, renamed)
      volume.volid = renamed
      c.world.volumes.set(c.world.volumeKey(vm.node, renamed), volume)
    }
    vm.config['template'] = 1
  })
}

function destroy(c: Context): unknown {
  const vmid = whole(c, 'vmid')
  const at = node(c)
  const vm = c.world.vms.get(vmid)
  if ((vm === undefined || vm.node !== at) && c.world.reserved.get(vmid)?.node !== at) throw noSuchVm(at, vmid)
  if (vm !== undefined && vm.power !== 'stopped') throw died(`VM ${vmid} is running - destroy failed`)
  if (vm?.config['protection'] === 1) throw died(`can't remove VM ${vmid} - protection mode enabled`)
  const purge = flagged(c, 'purge')
  return c.world.startTask(at, 'qmdestroy', String(vmid), c.caller.id, (task) =>
    c.world.withVmLock(vmid, async () => {
      if (vm === undefined) throw died(`VM is locked (clone)`)
      requireUnlocked(vm)
      if (vm.power !== 'stopped') throw died(`VM ${vmid} is running - destroy failed`)
      for (const { volume } of volumesOf(c, at, vm.config)) {
        if (volume.vmid === vmid && childrenOf(c, volume.volid, at) > 0)
          throw died(`base volume '${volume.volid}' is still in use by linked cloned`)
      }
      await dropVolumes(c, at, vmid)
      c.world.vms.delete(vmid)
      c.world.strayFirewalls.delete(vmid)
      c.access.acl = c.access.acl.filter((e) => e.path !== `/vms/${vmid}`)
      if (purge) task.lines.push(`purging VM ${vmid} from related configurations..`)
    }),
  )
}

async function writeConfig(c: Context): Promise<Vm> {
  const vm = vmOf(c)
  checkKeys(c, vm.node, vm.vmid, false)
  await c.world.withVmLock(vm.vmid, async () => {
    checkState(c, vm)
    const values = await fillDrives(c, vm.vmid, { lines: [] } as unknown as Task)
    applyKeys(c, vm, values)
  })
  return vm
}

function resize(c: Context): unknown {
  const vm = vmOf(c)
  const disk = text(c, 'disk')
  const size = text(c, 'size')
  return c.world.startTask(vm.node, 'resize', String(vm.vmid), c.caller.id, (task) =>
    c.world.withVmLock(vm.vmid, async () => {
      requireUnlocked(vm)
      const value = vm.config[disk]
      if (value === undefined) throw died(`disk '${disk}' does not exist`)
      const { file, options } = parseDrive(String(value))
      const volume = c.world.volume(vm.node, file)
      if (volume === undefined) throw died(`volume '${file}' does not exist`)
      const bytes = size.startsWith('+') ? volume.sizeBytes + sizeBytes(size) : sizeBytes(size)
      if (bytes < volume.sizeBytes) throw died('shrinking disks is not supported')
      c.world.requireRoom(vm.node, volume.storage, bytes - volume.sizeBytes)
      volume.sizeBytes = bytes
      if (volume.path !== undefined) await c.world.machines?.resize(volume, bytes)
      vm.config[disk] = driveText(file, { ...options, size: sizeText(bytes) })
      if (vm.power === 'stopped') task.lines.push('Image resized.')
    }),
  )
}

/** VMs: making, cloning, configuring, removing. */
export const vmRoutes: Routes = {
  'GET /nodes/{node}/qemu': (c) =>
    [...c.world.vms.values()]
      .filter((vm) => vm.node === node(c) && c.access.may(c.caller, `/vms/${vm.vmid}`, 'VM.Audit'))
      .map((vm) => ({
        vmid: vm.vmid,
        name: vm.config['name'] ?? `VM ${vm.vmid}`,
        status: vm.power === 'stopped' ? 'stopped' : 'running',
      })),
  'POST /nodes/{node}/qemu': create,
  'DELETE /nodes/{node}/qemu/{vmid}': destroy,
  'GET /nodes/{node}/qemu/{vmid}/config': (c) => shownConfig(vmOf(c), flagged(c, 'current')),
  'PUT /nodes/{node}/qemu/{vmid}/config': async (c) => {
    await writeConfig(c)
  },
  'POST /nodes/{node}/qemu/{vmid}/config': (c) => {
    const vm = vmOf(c)
    checkKeys(c, vm.node, vm.vmid, false)
    return c.world.startTask(vm.node, 'qmconfig', String(vm.vmid), c.caller.id, async () => void (await writeConfig(c)))
  },
  'GET /nodes/{node}/qemu/{vmid}/pending': (c) => {
    const vm = vmOf(c)
    const shown = shownConfig(vm, true)
    return Object.entries(shown).map(([key, value]) => ({
      key,
      value,
      ...(vm.pending[key] !== undefined && { pending: vm.pending[key] }),
    }))
  },
  'PUT /nodes/{node}/qemu/{vmid}/resize': resize,
  'POST /nodes/{node}/qemu/{vmid}/clone': clone,
  'POST /nodes/{node}/qemu/{vmid}/template': template,
}
