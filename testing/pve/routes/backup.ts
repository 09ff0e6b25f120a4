import { optional, text, whole, type Context, type Routes } from '../context.ts'
import { allocate, formattingLine, parseDrive, sizeText, volumesOf } from '../drives.ts'
import { died, forbidden, noSuchVm } from '../refusal.ts'
import { newUuid, randomMac, type Task, type Vm, type VmConfig, type Volume } from '../world.ts'

// Backups and what comes back from them. The product uses neither: they are here because their tasks are read by the same calls
// as ours, and stand in the recordings.

const two = (n: number) => String(n).padStart(2, '0')

/** The moment as archives and logs of the server write it. */
function stamp(seconds: number): { inName: string; inLog: string } {
  const at = new Date(seconds * 1000)
  const day = [at.getUTCFullYear(), two(at.getUTCMonth() + 1), two(at.getUTCDate())]
  const time = [two(at.getUTCHours()), two(at.getUTCMinutes()), two(at.getUTCSeconds())]
  return { inName: `${day.join('_')}-${time.join('_')}`, inLog: `${day.join('-')} ${time.join(':')}` }
}

const keptOptions = ['storage', 'mode', 'compress', 'notes-template'] as const

/** Disks that a backup takes: no optical drives, no seeds. */
function disksOf(c: Context, vm: Vm): { key: string; volume: Volume }[] {
  return volumesOf(c, vm.node, vm.config).filter(
    ({ key }) => !key.startsWith('unused') && parseDrive(String(vm.config[key])).options['media'] !== 'cdrom',
  )
}

function vzdump(c: Context): unknown {
  const node = text(c, 'node')
  const vmid = whole(c, 'vmid')
  const storage = text(c, 'storage')
  const vm = c.world.vms.get(vmid)
  if (!c.access.may(c.caller, `/vms/${vmid}`, 'VM.Backup')) throw forbidden()
  if (vm === undefined || vm.node !== node) throw noSuchVm(node, vmid)
  return c.world.startTask(node, 'vzdump', String(vmid), c.caller.id, async (task) => {
    if (c.world.lacks.has('sendmail')) throw died("unable to find command 'sendmail'")
    const at = stamp(task.starttime)
    const given = keptOptions.filter((key) => optional(c, key) !== undefined)
    const options = given.map((key) => `--${key} ${key === 'notes-template' ? `'${optional(c, key)}'` : optional(c, key)}`)
    const running = vm.power !== 'stopped'
    const file = `vzdump-qemu-${vmid}-${at.inName}.vma.zst`
    const disks = disksOf(c, vm)
    const include = disks.map(({ key, volume }) => `INFO: include disk '${key}' '${volume.volid}' ${sizeText(volume.sizeBytes)}`)
    const mode = [`INFO: backup mode: ${optional(c, 'mode') ?? 'snapshot'}`, 'INFO: ionice priority: 7']
    const name = [`INFO: VM Name: ${vm.config['name']}`, ...include]
    task.lines.push(
      `INFO: starting new backup job: vzdump ${vmid} --node ${node} ${options.join(' ')}`,
      `INFO: Starting Backup of VM ${vmid} (qemu)`,
      `INFO: Backup started at ${at.inLog}`,
      `INFO: status = ${running ? 'running' : 'stopped'}`,
      ...(running ? [...name, ...mode] : [...mode, ...name]),
      `INFO: creating vzdump archive '/var/lib/vz/dump/${file}'`,
    )
    await (running ? fromRunning(c, vm, task) : fromStopped(c, vm, task))
    c.world.addVolume({
      volid: `${storage}:backup/${file}`,
      storage,
      node: c.world.storages.get(storage)?.shared === true ? null : node,
      content: 'backup',
      format: 'vma.zst',
      sizeBytes: disks.reduce((sum, { volume }) => sum + Math.round(volume.sizeBytes / 12), 0),
      vmid,
      notes: (optional(c, 'notes-template') ?? '').replaceAll('{{guestname}}', String(vm.config['name'])),
      backup: { ...vm.config },
    })
    task.lines.push(`INFO: Finished Backup of VM ${vmid} (00:00:01)`, 'INFO: Backup job finished successfully')
  })
}

async function fromRunning(c: Context, vm: Vm, task: Task): Promise<void> {
  if (c.world.silent.has(vm.vmid)) task.lines.push("INFO: skipping guest-agent 'fs-freeze', agent configured but not running?")
  task.lines.push('INFO: starting backup via QMP command', `INFO: started backup task '${newUuid()}'`)
  await c.world.wait(5000)
}

/** QEMU is started for a backup, and ended after it. */
async function fromStopped(c: Context, vm: Vm, task: Task): Promise<void> {
  task.lines.push('INFO: starting kvm to execute backup task')
  if (Object.values(vm.config).some((value) => String(value).includes('-cloudinit'))) task.lines.push('generating cloud-init ISO')
  if (c.world.lacks.has('qmeventd')) {
    task.lines.push(
      "kvm: Unable to connect character device qmp-event: Failed to connect to '/var/run/qmeventd.sock': No such file or directory",
      `ERROR: Backup of VM ${vm.vmid} failed - start failed: QEMU exited with code 1`,
    )
    throw died('job errors')
  }
  await c.world.wait(5000)
}

/** Brings back a VM from an archive, under another id. Throws the text of a missing archive. */
export async function restore(c: Context, node: string, vmid: number, task: Task): Promise<VmConfig> {
  const volid = text(c, 'archive')
  const archive = c.world.volume(node, volid)
  if (archive?.backup === undefined) throw died(`unable to restore VM ${vmid} - volume '${volid}' does not exist`)
  const path = `/var/lib/vz/dump/${volid.split('/').at(-1)}`
  const unpacked = `/var/tmp/vzdumptmp${task.pid}`
  const config: VmConfig = { ...archive.backup, vmgenid: newUuid() }
  const drives = Object.keys(config).filter((key) => parseDrive(String(config[key])).options['size'] !== undefined)
  const isSeed = (key: string) => parseDrive(String(config[key])).options['media'] === 'cdrom'
  task.lines.push(
    `restore vma archive: zstd -q -d -c ${path} | vma extract -v -r ${unpacked}.fifo - ${unpacked}`,
    `CFG: size: ${JSON.stringify(config).length} name: qemu-server.conf`,
  )
  const bytesOf = (key: string) => {
    const [, digits = '0', unit = 'M'] = /(\d+)([KMG])/.exec(parseDrive(String(config[key])).options['size'] ?? '') ?? []
    return Number(digits) * { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[unit as 'K' | 'M' | 'G']
  }
  const disks = drives.filter((key) => !isSeed(key))
  for (const [i, key] of disks.entries()) task.lines.push(`DEV: dev_id=${i + 1} size: ${bytesOf(key)} devname: drive-${key}`)
  task.lines.push(`CTIME: ${new Date(task.starttime * 1000).toUTCString()}`)
  for (const key of [...drives.filter(isSeed), ...disks]) {
    const kind = isSeed(key) ? { kind: 'cloudinit' } : {}
    const storage = optional(c, 'storage') ?? archive.storage
    const made = await allocate(c, node, { storage, vmid, format: 'qcow2', bytes: bytesOf(key), ...kind })
    task.lines.push(formattingLine(made), `new volume ID is '${made.volid}'`)
    const media = isSeed(key) ? ',media=cdrom' : ''
    config[key] = `${made.volid}${media},size=${sizeText(made.sizeBytes)}`
  }
  for (const key of disks) {
    const file = String(config[key]).split(',')[0]?.split('/').at(-1)
    task.lines.push(`map 'drive-${key}' to '/var/lib/vz/images/${vmid}/${file}' (write zeros = 0)`)
    for (let percent = 1; percent <= 100; percent++) {
      const read = Math.round((bytesOf(key) * percent) / 100)
      task.lines.push(`progress ${percent}% (read ${read} bytes, duration 0 sec)`)
    }
  }
  if (optional(c, 'unique') === '1') {
    for (const key of Object.keys(config).filter((name) => /^net\d+$/.test(name)))
      config[key] = String(config[key]).replace(/=[0-9A-F]{2}(:[0-9A-F]{2}){5}/i, `=${randomMac()}`)
    config['smbios1'] = `uuid=${newUuid()}`
  }
  return config
}

/** Backups of VMs, for as much as the recordings hold of them. */
export const backupRoutes: Routes = {
  'POST /nodes/{node}/vzdump': vzdump,
}
