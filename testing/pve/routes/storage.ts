import { rm } from 'node:fs/promises'
import { allocate, sizeBytes } from '../drives.ts'
import { optional, text, type Context, type Routes } from '../context.ts'
import { newVolumePath } from '../machines.ts'
import { badParameter, died } from '../refusal.ts'
import type { Storage, Volume } from '../world.ts'

function storageOf(c: Context): Storage {
  const id = text(c, 'storage')
  const found = c.world.storages.get(id)
  const node = c.given['node'] === undefined ? undefined : text(c, 'node')
  if (found === undefined) throw died(`storage '${id}' does not exist`)
  if (node !== undefined && found.nodes.length > 0 && !found.nodes.includes(node))
    throw died(`storage '${id}' is not available on node '${node}'`)
  return found
}

function requireActive(storage: Storage): void {
  if (!storage.active) throw died(`storage '${storage.id}' is not online`)
}

function status(c: Context, storage: Storage, node: string): Record<string, unknown> {
  const used = storage.active ? Math.round(c.world.usedBytes(node, storage.id)) : 0
  return {
    active: Number(storage.active),
    avail: storage.active ? storage.totalBytes - used : 0,
    content: storage.content,
    enabled: 1,
    shared: Number(storage.shared),
    total: storage.active ? storage.totalBytes : 0,
    type: storage.type,
    used,
  }
}

function visible(c: Context, storage: Storage): boolean {
  const has = c.access.on(c.caller, `/storage/${storage.id}`)
  return has.has('Datastore.Audit') || has.has('Datastore.AllocateSpace')
}

function listed(volume: Volume): Record<string, unknown> {
  const image = volume.content === 'images'
  return {
    content: volume.content,
    ctime: volume.ctime,
    format: volume.format,
    ...(image && { parent: volume.parent ?? null, used: Math.round(volume.sizeBytes / 16) }),
    size: volume.sizeBytes,
    ...(volume.vmid !== undefined && { vmid: volume.vmid }),
    ...(volume.content === 'backup' && { subtype: 'qemu', notes: volume.notes ?? '' }),
    volid: volume.volid,
  }
}

function mayTouch(c: Context, volume: Volume): void {
  if (volume.content === 'images' && volume.vmid !== undefined)
    return c.access.require(c.caller, `/vms/${volume.vmid}`, 'VM.Config.Disk')
  c.access.require(c.caller, `/storage/${volume.storage}`, 'Datastore.Allocate')
}

function upload(c: Context): unknown {
  const [node, content] = [text(c, 'node'), text(c, 'content')]
  const storage = storageOf(c)
  const { upload: file } = c
  if (file === undefined) throw badParameter({ filename: 'property is missing and it is not optional' })
  const drop = () => rm(file.path, { force: true })
  if (!storage.content.split(',').includes(content)) {
    void drop()
    throw died(`storage '${storage.id}' does not support '${content}' content`)
  }
  const pattern = content === 'iso' ? /^[\w.+=:-]+\.(iso|img)$/i : /^[\w.+=:-]+\.(qcow2|raw|vmdk|ova)$/i
  if (!pattern.test(file.name)) {
    void drop()
    throw badParameter({ filename: 'wrong file extension' })
  }
  requireActive(storage)
  const folder = content === 'iso' ? 'template/iso' : content
  return c.world.startTask(node, 'imgcopy', '', c.caller.id, async (task) => {
    const from = '/var/tmp/pveupload-00000000000000000000000000000000'
    task.lines.push(`starting file import from: ${from}`)
    const wanted = optional(c, 'checksum')
    if (wanted !== undefined && optional(c, 'checksum-algorithm') === 'sha256' && wanted !== file.sha256) {
      await drop()
      throw died(`checksum mismatch: got '${file.sha256}' != expect '${wanted}'`)
    }
    const target = `/var/lib/vz/${folder}/${file.name}`
    task.lines.push(
      `target node: ${node}`,
      `target file: ${target}`,
      `file size is: ${file.sizeBytes}`,
      `command: cp -- ${from} ${target}`,
    )
    c.world.requireRoom(node, storage.id, file.sizeBytes)
    const qcow2 = file.head.subarray(0, 4).equals(Buffer.from('QFI\xfb', 'latin1'))
    const volid = `${storage.id}:${content}/${file.name}`
    const volume = c.world.addVolume({
      volid,
      storage: storage.id,
      node: storage.shared ? null : node,
      content,
      format: content === 'iso' ? 'iso' : (file.name.split('.').at(-1) ?? 'raw'),
      // what an image would be as a disk; for media, the file's own size
      sizeBytes: qcow2 ? Number(file.head.readBigUInt64BE(24)) : file.sizeBytes,
    })
    if (c.world.machines === undefined) await drop()
    else {
      volume.path = newVolumePath(c.world.machines, node, volid)
      await c.world.machines.adopt(volume, file.path)
    }
    task.lines.push('finished file import successfully')
  })
}

/** Nothing is fetched by a stand-in that reaches no net: every address refuses the connection. */
function download(c: Context): unknown {
  const [file, url] = [text(c, 'filename'), text(c, 'url')]
  const { host } = new URL(url)
  return c.world.startTask(text(c, 'node'), 'download', file, c.caller.id, (task) => {
    const at = new Date(task.starttime * 1000).toISOString().replace('T', ' ').slice(0, 19)
    task.lines.push(`downloading ${url} to /var/lib/vz/${text(c, 'content')}/${file}`, `--${at}--  ${url}`)
    throw died(`download failed: Connecting to ${host}... failed: Connection refused.`)
  })
}

function remove(c: Context): unknown {
  const node = text(c, 'node')
  const given = text(c, 'volume')
  const volid = given.includes(':') ? given : `${text(c, 'storage')}:${given}`
  const volume = c.world.volume(node, volid)
  if (volume !== undefined) mayTouch(c, volume)
  else c.access.require(c.caller, `/storage/${text(c, 'storage')}`, 'Datastore.Allocate')
  const storage = storageOf(c)
  requireActive(storage)
  const id = volume?.vmid === undefined ? storage.id : `${volume.vmid}@${storage.id}`
  return c.world.startTask(node, 'imgdel', id, c.caller.id, async (task) => {
    if (volume === undefined) throw died(`unable to remove volume '${volid}' - no such file`)
    c.world.volumes.delete(c.world.volumeKey(node, volid))
    await c.world.machines?.removeImage(volume)
    task.lines.push(`Removed volume '${volid}'`)
  })
}

/** Storages and what lies on them. */
export const storageRoutes: Routes = {
  'GET /storage': (c) =>
    [...c.world.storages.values()]
      .filter((s) => visible(c, s))
      .map((s) => ({ storage: s.id, type: s.type, content: s.content, shared: Number(s.shared), digest: 'x' })),
  'GET /storage/{storage}': (c) => {
    const s = storageOf(c)
    return { storage: s.id, type: s.type, content: s.content, shared: Number(s.shared) }
  },
  'POST /storage': (c) => {
    const id = text(c, 'storage')
    if (c.world.storages.has(id)) throw died(`create storage failed: storage ID '${id}' already defined`)
    const type = text(c, 'type')
    c.world.addStorage({
      id,
      type: type === 'lvmthin' || type === 'lvm' ? type : 'dir',
      content: optional(c, 'content') ?? 'images',
      shared: optional(c, 'shared') === '1',
    })
    return { storage: id, type }
  },
  'PUT /storage/{storage}': (c) => {
    const s = storageOf(c)
    s.content = optional(c, 'content') ?? s.content
    return { storage: s.id, type: s.type }
  },
  'GET /nodes/{node}/storage': (c) =>
    [...c.world.storages.values()].filter((s) => visible(c, s)).map((s) => ({ storage: s.id, ...status(c, s, text(c, 'node')) })),
  'GET /nodes/{node}/storage/{storage}/status': (c) => status(c, storageOf(c), text(c, 'node')),
  'GET /nodes/{node}/storage/{storage}/content': (c) => {
    const storage = storageOf(c)
    requireActive(storage)
    return [...c.world.volumes.values()]
      .filter((v) => v.storage === storage.id && (v.node === null || v.node === text(c, 'node')))
      .filter((v) => optional(c, 'content') === undefined || v.content === optional(c, 'content'))
      .filter((v) => optional(c, 'vmid') === undefined || v.vmid === Number(optional(c, 'vmid')))
      .map(listed)
  },
  'POST /nodes/{node}/storage/{storage}/content': async (c) => {
    const vmid = Number(text(c, 'vmid'))
    const made = await allocate(c, text(c, 'node'), {
      storage: storageOf(c).id,
      vmid,
      format: optional(c, 'format') ?? 'raw',
      bytes: sizeBytes(text(c, 'size')),
    })
    c.world.volumes.delete(c.world.volumeKey(text(c, 'node'), made.volid))
    made.volid = `${made.storage}:${vmid}/${text(c, 'filename')}`
    c.world.volumes.set(c.world.volumeKey(text(c, 'node'), made.volid), made)
    return made.volid
  },
  'POST /nodes/{node}/storage/{storage}/upload': upload,
  'POST /nodes/{node}/storage/{storage}/download-url': download,
  'DELETE /nodes/{node}/storage/{storage}/content/{volume}': remove,
  'GET /nodes/{node}/storage/{storage}/import-metadata': (c) => {
    throw died(`unable to parse directory volume name '${text(c, 'volume')}'`)
  },
}
