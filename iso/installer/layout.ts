import type { Disk } from './disks.ts'
import { begunPartition, rootPartition } from './disks.ts'
import { spareBytes } from './guard.ts'

const mib = 2 ** 20
const gib = 2 ** 30
/** GRUB's own, the ESP, and what alignment takes. */
const bootMib = 1
const espMib = 512
/** Place of the root in the table. */
const rootNumber = 3
/** VM disks get a file system of their own where there is room for a few: a full one must not stop the daemon's store. */
const leastForVms = 16 * gib

/** Sizes of the partitions of one disk in MiB; `vms` 0: one file system for all. */
export interface Layout {
  root: number
  vms: number
}

/** Root takes a quarter, at least what an update and setup need beside the system, at most 32 GiB; the rest is for VMs. */
export function layoutOf(bytes: number, unpackedBytes: number): Layout {
  // 1 MiB in front, 1 MiB for the second table at the end
  const free = Math.floor(bytes / mib) - bootMib - espMib - 2
  const least = Math.ceil((unpackedBytes + Math.max(unpackedBytes + 2 * gib, spareBytes)) / mib)
  const root = Math.min(Math.max(least, Math.floor(free / 4)), (32 * gib) / mib)
  const vms = free - root
  return vms * mib >= leastForVms ? { root, vms } : { root: free, vms: 0 }
}

/**
 * Input of `sfdisk`: GPT with BIOS boot partition, ESP, root and what is for VMs. `mirror`: both are members of arrays. The root’s
 * name says that the installation is not finished.
 */
export function sfdiskScript(layout: Layout, mirror: boolean): string {
  const linux = mirror ? 'A19D880F-05FC-4D3B-A006-743F0F84911E' : '0FC63DAF-8483-4772-8E79-3D69D8477DE4'
  return [
    'label: gpt',
    `size=${bootMib}MiB, type=21686148-6449-6E6F-744E-656564454649, name="freehold-bios"`,
    `size=${espMib}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="freehold-esp"`,
    `size=${layout.root}MiB, type=${linux}, name="${begunPartition}"`,
    ...(layout.vms > 0 ? [`type=${linux}, name="freehold-vms"`] : []),
    '',
  ].join('\n')
}

/** Arguments of `sfdisk` that name the root of a finished installation. Nothing else of the disk changes, and arrays may lie on it. */
export const namedHost = ({ path }: Pick<Disk, 'path'>): string[] => [
  '--quiet',
  '--no-reread',
  '--no-tell-kernel',
  '--part-label',
  path,
  String(rootNumber),
  rootPartition,
]

/** Path of a partition: nvme0n1p3, sda3. */
export const partitionOf = ({ path }: Pick<Disk, 'path'>, number: number): string =>
  `${path}${/\d$/.test(path) ? 'p' : ''}${number}`
