import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

/**
 * Arrays that have one of these disks, or a partition of it, and their members. The kernel is asked, not lsblk: that leaves out an
 * array which was put together and never started, as of a mirror whose halves went separate ways, and it holds its members as well.
 */
export function arraysOn(disks: readonly { path: string }[], sys = '/sys/class/block'): { arrays: string[]; members: string[] } {
  const arrays = new Set<string>()
  const members: string[] = []
  const list = (...path: string[]): string[] => (existsSync(join(sys, ...path)) ? readdirSync(join(sys, ...path)) : [])
  for (const { path } of disks) {
    const disk = basename(path)
    const partitions = list(disk).filter((name) => existsSync(join(sys, disk, name, 'partition')))
    for (const name of [disk, ...partitions]) {
      const holders = list(name, 'holders').filter((holder) => existsSync(join(sys, holder, 'md')))
      if (holders.length > 0) members.push(`/dev/${name}`)
      for (const holder of holders) arrays.add(`/dev/${holder}`)
    }
  }
  return { arrays: [...arrays], members }
}
