import { z } from 'zod'

/** A disk as the installer sees it. Sizes in bytes. */
export interface Disk {
  path: string
  bytes: number
  model: string
  serial: string
  wwn: string
  /** How it is attached: sata, nvme, usb, virtio … */
  transport: string
  /** What is on it, in words: file systems, labels; empty: nothing that is known. */
  contents: string[]
  /** Mounted, part of an array that is not ours, or the medium itself: never offered. */
  inUse: boolean
  /** What an installation of ours left on it: a host, or one that was begun and not finished. */
  freehold: 'none' | 'begun' | 'host'
}

const text = z
  .string()
  .nullish()
  .transform((value) => (value ?? '').trim())
const node = z.object({
  path: z.string(),
  size: z.number(),
  type: z.string(),
  model: text,
  serial: text,
  wwn: text,
  tran: text,
  ro: z.boolean(),
  mountpoints: z.array(z.string().nullable()).default([]),
  fstype: text,
  label: text,
  partlabel: text,
})
type Node = z.output<typeof node> & { children?: Node[] | undefined }
const tree: z.ZodType<Node> = node.extend({
  get children() {
    return z.array(tree).optional()
  },
})
const listing = z.object({ blockdevices: z.array(tree) })

/** Columns that `lsblk --json --bytes` is asked for. */
export const lsblkColumns = 'PATH,SIZE,TYPE,MODEL,SERIAL,WWN,TRAN,RO,MOUNTPOINTS,FSTYPE,LABEL,PARTLABEL'

/** Name of the partition of the root that marks a host. It is given as the last act of an installation. */
export const rootPartition = 'freehold-root'
/** Its name until then: such a disk is no host, and may be written again. */
export const begunPartition = 'freehold-begun'

/** Names of all partitions that an installation makes. */
const ourPartition = /^freehold-/

/** Reads lsblk's answer: whole disks that can be written, in its order. Memory, loops and optical drives are none. */
export function parseDisks(json: string): Disk[] {
  return listing
    .parse(JSON.parse(json))
    .blockdevices.filter(
      ({ type, ro, size, path }) => type === 'disk' && !ro && size > 0 && !/^\/dev\/(zram|ram|fd|nbd)/.test(path),
    )
    .map((disk) => {
      const below = parts(disk)
      return {
        path: disk.path,
        bytes: disk.size,
        model: disk.model,
        serial: disk.serial,
        wwn: disk.wwn,
        transport: disk.tran,
        contents: below.filter(({ fstype, label }) => fstype !== '' || label !== '').map(describe),
        inUse:
          below.some(({ mountpoints }) => mountpoints.some((at) => at !== null)) ||
          arrays(disk, (name) => !ourPartition.test(name)).length > 0,
        freehold: leftOn(below),
      }
    })
}

/** One partition that says host is enough. */
function leftOn(below: readonly Node[]): Disk['freehold'] {
  const is = (name: string): boolean => below.some(({ partlabel }) => partlabel.startsWith(name))
  return is(rootPartition) ? 'host' : is(begunPartition) ? 'begun' : 'none'
}

/** Arrays of which a partition with such a name, or the disk itself, is a member. */
const arrays = (disk: Node, of: (partition: string) => boolean): string[] =>
  parts(disk)
    .filter(({ partlabel }) => of(partlabel))
    .flatMap(({ children = [] }) => children.filter(({ type }) => type.startsWith('raid')).map(({ path }) => path))

const parts = (disk: Node): Node[] => [disk, ...(disk.children ?? []).flatMap(parts)]
const describe = ({ fstype, label, size }: Node): string =>
  [fstype === '' ? 'unknown' : fstype, ...(label === '' ? [] : [`"${label}"`]), sizeText(size)].join(' ')

/** Decimal units, as disks are sold. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`
}

const left = { none: [], begun: ['an installation that was not finished'], host: ['holds Freehold already'] } as const

/** One line for a list: name, size, model, serial, contents, what an installation of ours left. */
export function diskLine(disk: Disk): string {
  const name = disk.path.replace('/dev/', '')
  const what = disk.contents.length === 0 ? 'empty' : disk.contents.join(', ')
  const serial = disk.serial ? `serial ${disk.serial}` : 'no serial'
  return [name, sizeText(disk.bytes), disk.model || 'no model', serial, what, ...left[disk.freehold]].join(' · ')
}
