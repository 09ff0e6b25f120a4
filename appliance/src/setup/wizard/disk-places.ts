import { readdir, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { runOrFail } from '../../hypervisor/libvirt/run.ts'

/** A place where disks of VMs may lie: a folder of this machine, or a storage of a server. */
export interface DiskPlace {
  /** Path or name, as the answers name it. */
  place: string
  /** File system or kind of storage. */
  kind: string
  totalBytes: number
  freeBytes: number
  /** What is there already: names of the first few entries, or kinds of content. */
  holds: string[]
  /** Why it is none: kept with the host's own state, not to be written to, or not to be read. */
  refused: 'shared-with-state' | 'read-only' | 'unreadable' | null
}

const mounts = z.object({
  filesystems: z.array(z.object({ target: z.string(), fstype: z.string(), options: z.string() })),
})
/** File systems of disks; what lives in memory or elsewhere is no place for what people paid for. */
const lasting = ['ext4', 'ext3', 'xfs', 'btrfs', 'zfs', 'f2fs', 'bcachefs']
/** Where mounts of the system itself lie. */
const system = /^\/(?:boot|efi|proc|sys|dev|run|snap)(?:\/|$)/

/**
 * Places for disks on this machine: each mounted disk, and beside it the folder that is taken where nobody chooses. The disk that
 * holds the host's own state is named and refused: a full pool would stop the daemon (design §6). Reads only.
 */
export async function diskPlaces(stateFolder: string, usual: string): Promise<DiskPlace[]> {
  const text = await runOrFail('list the disks', 'findmnt', ['--json', '--real', '--list', '--output', 'TARGET,FSTYPE,OPTIONS'])
  const found = mounts
    .parse(JSON.parse(text))
    .filesystems.filter(({ target, fstype }) => lasting.includes(fstype) && !system.test(target))
  const own = (await stat(stateFolder)).dev
  const places: DiskPlace[] = []
  const seen = new Set<number>()
  // the same disk may be mounted at several places: the shortest is its own
  for (const { target, fstype, options } of found.toSorted((a, b) => a.target.length - b.target.length)) {
    const device = (await stat(target).catch(() => undefined))?.dev
    if (device !== undefined && seen.has(device)) continue
    if (device !== undefined) seen.add(device)
    const place = target === '/' ? usual : join(target, 'freehold')
    const described = await describe(place, target, fstype, own)
    places.push(options.split(',').includes('ro') ? { ...described, refused: 'read-only' } : described)
  }
  return places.toSorted((a, b) => Number(a.refused !== null) - Number(b.refused !== null) || b.freeBytes - a.freeBytes)
}

async function describe(place: string, target: string, kind: string, ownDevice: number): Promise<DiskPlace> {
  try {
    const [room, { dev }] = await Promise.all([statfs(target), stat(target)])
    return {
      place,
      kind,
      totalBytes: room.blocks * room.bsize,
      freeBytes: room.bavail * room.bsize,
      holds: await entriesOf(place),
      refused: dev === ownDevice ? 'shared-with-state' : null,
    }
  } catch {
    return { place, kind, totalBytes: 0, freeBytes: 0, holds: [], refused: 'unreadable' }
  }
}

/** The first few names in a folder; nothing where there is none yet. */
async function entriesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch(() => [])
  return entries.filter((name) => name !== 'lost+found').slice(0, 5)
}

/** Whether a folder, which need not be there yet, lies on the disk of the host's own state. */
export async function sharesDiskWithState(folder: string, stateFolder: string): Promise<boolean> {
  return (await stat(await existingAbove(folder))).dev === (await stat(stateFolder)).dev
}

/** The nearest folder above that exists: what is to be made there lies on its disk. */
async function existingAbove(path: string): Promise<string> {
  let at = path
  for (;;) {
    const there = await stat(at).then(
      () => true,
      () => false,
    )
    if (there || dirname(at) === at) return at
    at = dirname(at)
  }
}
