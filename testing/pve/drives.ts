import type { Context } from './context.ts'
import { badParameter, died } from './refusal.ts'
import { newVolumePath } from './machines.ts'
import type { Task, VmConfig, Volume } from './world.ts'

const gib = 2 ** 30
/** Names of drives in a configuration. */
export const isDrive = (key: string): boolean => /^(ide|sata|scsi|virtio)\d+$|^(efidisk|tpmstate)0$/.test(key)

/** `file,option=…` as its parts. */
export function parseDrive(value: string): { file: string; options: Record<string, string> } {
  const options: Record<string, string> = {}
  let file = ''
  for (const part of value.split(',')) {
    const [key = '', ...rest] = part.split('=')
    if (rest.length === 0) file = part
    else if (key === 'file') file = rest.join('=')
    else options[key] = rest.join('=')
  }
  return { file, options }
}

export function driveText(file: string, options: Record<string, string>): string {
  return [file, ...Object.entries(options).map(([key, value]) => `${key}=${value}`)].join(',')
}

/** 1500M, 2G: as the server shortens sizes. */
export function sizeText(bytes: number): string {
  if (bytes % gib === 0) return `${bytes / gib}G`
  if (bytes % 2 ** 20 === 0) return `${bytes / 2 ** 20}M`
  return bytes % 1024 === 0 ? `${bytes / 1024}K` : String(bytes)
}

/** 8, 8G, 512M, +1G in bytes. */
export function sizeBytes(text: string): number {
  const [, digits = '0', unit = ''] = /^\+?([\d.]+)([KMGT]?)$/.exec(text) ?? []
  return Math.round(Number(digits) * { '': 1, K: 1024, M: 2 ** 20, G: gib, T: 2 ** 40 }[unit as '' | 'K' | 'M' | 'G' | 'T'])
}

/** The line that the server logs when it makes an image. */
export function formattingLine(volume: Volume, more = ''): string {
  const path = `/var/lib/vz/images/${volume.vmid}/${volume.volid.split('/').at(-1)}`
  return volume.format === 'raw'
    ? `Formatting '${path}', fmt=raw size=${volume.sizeBytes} preallocation=off`
    : `Formatting '${path}', fmt=qcow2 cluster_size=65536 extended_l2=off preallocation=metadata compression_type=zlib size=${volume.sizeBytes}${more} lazy_refcounts=off refcount_bits=16`
}

/** The next free name of a disk of a VM on a storage. */
function freeName(c: Context, node: string, storage: string, vmid: number, format: string, kind: string): string {
  const dir = c.world.storages.get(storage)?.type === 'dir'
  for (let n = 0; ; n++) {
    const name = kind === 'disk' ? `vm-${vmid}-disk-${n}` : `vm-${vmid}-${kind}`
    const volid = dir ? `${storage}:${vmid}/${name}.${format}` : `${storage}:${name}`
    if (kind !== 'disk' || c.world.volume(node, volid) === undefined) return volid
  }
}

/** Makes an empty or copied volume of a VM, on disk too where guests are real. Throws the text of a full storage. */
export async function allocate(
  c: Context,
  node: string,
  at: { storage: string; vmid: number; format: string; bytes: number; kind?: string; from?: Volume; linked?: boolean },
): Promise<Volume> {
  c.world.requireRoom(node, at.storage, at.bytes)
  const storage = c.world.storages.get(at.storage)
  const plain = freeName(c, node, at.storage, at.vmid, at.format, at.kind ?? 'disk')
  const volid =
    at.linked === true && storage?.type === 'dir' && at.from !== undefined ? `${at.from.volid}/${plain.split(':')[1]}` : plain
  const volume = c.world.addVolume({
    volid,
    storage: at.storage,
    node: storage?.shared === true ? null : node,
    content: 'images',
    format: at.format,
    sizeBytes: at.bytes,
    vmid: at.vmid,
    parent: at.linked === true ? at.from?.volid : undefined,
    data: at.from?.data ?? '',
  })
  if (c.world.machines !== undefined && at.kind === undefined) {
    volume.path = newVolumePath(c.world.machines, node, volid)
    await c.world.machines.makeImage(volume, at.from, at.linked === true)
  }
  return volume
}

/** Holds a drive against storages before anything is begun: what the server refuses at once. */
export function checkDrive(c: Context, node: string, key: string, value: string): void {
  const { file, options } = parseDrive(value)
  if (options['import-from']?.startsWith('/') === true && !c.access.isRoot(c.caller)) {
    throw died('Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 651.')
  }
  if (file === 'none' || file === 'cdrom' || file.startsWith('/')) return
  const [storageId = '', rest = ''] = file.split(':')
  const storage = c.world.storages.get(storageId)
  if (storage === undefined) throw died(`storage '${storageId}' does not exist`)
  const isNew = /^\d+(\.\d+)?$/.test(rest) || rest === 'cloudinit'
  if (isNew) {
    c.access.require(c.caller, `/storage/${storageId}`, 'Datastore.AllocateSpace')
    if (!storage.content.split(',').includes('images'))
      throw badParameter({ storage: `storage '${storageId}' does not support vm images` })
  } else if (options['media'] === 'cdrom') {
    c.access.requireAny(c.caller, `/storage/${storageId}`, ['Datastore.AllocateSpace', 'Datastore.Audit'])
    if (c.world.volume(node, file) === undefined) throw died(`volume '${file}' does not exist`)
  }
  const from = options['import-from']
  if (from !== undefined && !from.startsWith('/')) {
    const source = c.world.storages.get(from.split(':')[0] ?? '')
    if (source === undefined) throw died(`storage '${from.split(':')[0]}' does not exist`)
    if (from.split(':')[1]?.startsWith('import/') === true) {
      c.access.requireAny(c.caller, `/storage/${source.id}`, ['Datastore.AllocateSpace', 'Datastore.Audit'])
    }
  }
}

/** Makes what a drive asks for, inside of a task. Returns the text that stays in the configuration. */
export async function makeDrive(c: Context, node: string, vmid: number, key: string, value: string, task: Task): Promise<string> {
  const { file, options } = parseDrive(value)
  const [storage = '', rest = ''] = file.split(':')
  if (rest === 'cloudinit') {
    const made = await allocate(c, node, { storage, vmid, format: 'qcow2', bytes: 4 * 2 ** 20, kind: 'cloudinit' })
    task.lines.push(formattingLine(made), `${key}: successfully created disk '${made.volid},media=cdrom'`)
    return `${made.volid},media=cdrom`
  }
  if (!/^\d+(\.\d+)?$/.test(rest)) return value
  const { 'import-from': from, format: wanted, ...kept } = options
  if (from === undefined) {
    const format = wanted ?? 'raw'
    const made = await allocate(c, node, { storage, vmid, format, bytes: Number(rest) * gib })
    task.lines.push(
      formattingLine(made),
      `${key}: successfully created disk '${driveText(made.volid, { ...kept, size: sizeText(made.sizeBytes) })}'`,
    )
    return driveText(made.volid, { ...kept, size: sizeText(made.sizeBytes) })
  }
  const source = c.world.volume(node, from)
  const path = from.startsWith('/') ? from : `/var/lib/vz/${(from.split(':')[1] ?? '').replace(/^iso\//, 'template/iso/')}`
  if (source === undefined && !from.startsWith('/')) throw died(`unable to create VM ${vmid} - failed to stat '${path}'`)
  const format = wanted ?? (from.endsWith('.raw') || from.startsWith('/') ? 'raw' : (source?.format ?? 'qcow2'))
  const bytes = source?.sizeBytes ?? c.world.hostFiles.get(from) ?? gib
  if (!from.startsWith('/'))
    task.lines.push(`create full clone of drive ${source?.vmid === undefined ? '' : `${driveKeyOf(c, source)} `}(${from})`)
  const made = await allocate(c, node, { storage, vmid, format, bytes, ...(source !== undefined && { from: source }) })
  task.lines.push(formattingLine(made))
  if (!from.startsWith('/')) task.lines.push(`allocated target volume '${made.volid}'`)
  const size = `${(bytes / gib).toFixed(1)} GiB`
  task.lines.push(`transferred 0.0 B of ${size} (0.00%)`, `transferred ${size} of ${size} (100.00%)`)
  const text = driveText(made.volid, { ...kept, size: sizeText(bytes) })
  task.lines.push(`${key}: successfully created disk '${text}'`)
  return text
}

function driveKeyOf(c: Context, volume: Volume): string {
  const config = c.world.vms.get(volume.vmid ?? 0)?.config ?? {}
  return Object.keys(config).find((key) => isDrive(key) && parseDrive(String(config[key])).file === volume.volid) ?? 'scsi0'
}

/** Volumes that the drives of a configuration name. */
export function volumesOf(c: Context, node: string, config: VmConfig): { key: string; volume: Volume }[] {
  return Object.keys(config)
    .filter((key) => isDrive(key) || key.startsWith('unused'))
    .flatMap((key) => {
      const volume = c.world.volume(node, parseDrive(String(config[key])).file)
      return volume === undefined ? [] : [{ key, volume }]
    })
}
