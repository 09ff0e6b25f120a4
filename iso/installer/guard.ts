import type { DiskAnswer, InstallAnswer } from './answers.ts'
import { diskLine, sizeText, type Disk } from './disks.ts'
import { InstallFault } from './fault.ts'

/** What the medium unpacks to, told by its build, and what an installed host needs besides to start at all. */
export interface Need {
  unpackedBytes: number
}

/** What setup wants free (4 GiB), boot partitions, logs. With less a host would install, and then refuse to be set up. */
export const spareBytes = 6 * 2 ** 30

/** Smallest disk that can be installed on. */
export const needOf = ({ unpackedBytes }: Need): number => unpackedBytes + spareBytes

const matches = (disk: Disk, answer: DiskAnswer): boolean =>
  (answer.serial === undefined || disk.serial === answer.serial) &&
  (answer.wwn === undefined || disk.wwn === answer.wwn) &&
  (answer.path === undefined || disk.path === answer.path)

/** Disks that may be offered to a person: large enough, not in use. Refuses with the list where there is none. */
export function offered(disks: readonly Disk[], need: Need): Disk[] {
  const free = disks.filter(({ inUse }) => !inUse)
  const least = needOf(need)
  if (free.length === 0) {
    throw new InstallFault('disk-none', {
      wrong: 'This machine has no disk to install on.',
      seen: disks.length === 0 ? ['no disk at all'] : disks.map((disk) => `${diskLine(disk)} (in use)`),
      remedy: 'Attach a disk; look into the firmware whether the controller is switched on. Then start again.',
    })
  }
  const large = free.filter(({ bytes }) => bytes >= least)
  if (large.length === 0) {
    throw new InstallFault('disk-too-small', {
      wrong: `No disk is large enough: ${sizeText(least)} are needed.`,
      seen: free.map(diskLine),
      remedy: 'Attach a larger disk and start again.',
    })
  }
  return large
}

/**
 * The disks that an answer file names: each exactly one that is there, free and large enough. No match, two matches, or a host of
 * ours on it without leave: refused before the first write, never "the other one". What was only begun may be written again.
 */
export function named(disks: readonly Disk[], answer: InstallAnswer, need: Need): Disk[] {
  const least = needOf(need)
  const chosen = answer.disks.map((wanted) => {
    const words = Object.entries(wanted)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')
    const found = disks.filter((disk) => matches(disk, wanted))
    const [disk, second] = found
    if (disk === undefined) {
      throw new InstallFault(disks.length === 0 ? 'disk-none' : 'disk-not-found', {
        wrong: `The answer file names a disk that is not here: ${words}.`,
        seen: disks.length === 0 ? ['no disk at all'] : disks.map(diskLine),
        remedy: 'Write the serial of the right disk into the answer file, or attach that disk.',
      })
    }
    if (second !== undefined) {
      throw new InstallFault('disk-ambiguous', {
        wrong: `The answer file names more than one disk: ${words}.`,
        seen: found.map(diskLine),
        remedy: 'Name the disk by serial or wwn.',
      })
    }
    if (disk.inUse) {
      throw new InstallFault('disk-not-found', {
        wrong: `The disk that the answer file names is in use: ${words}.`,
        seen: [diskLine(disk)],
        remedy: 'It may be the medium itself. Name another disk.',
      })
    }
    if (disk.bytes < least) {
      throw new InstallFault('disk-too-small', {
        wrong: `The disk is too small: ${sizeText(disk.bytes)}, and ${sizeText(least)} are needed.`,
        seen: [diskLine(disk)],
        remedy: 'Name or attach a larger disk.',
      })
    }
    if (disk.freehold === 'host' && !answer.wipeInstalled) {
      throw new InstallFault('disk-installed', {
        wrong: 'This disk holds an installation of Freehold already; the medium was probably left in the machine.',
        seen: [diskLine(disk)],
        remedy: 'Remove the medium and restart. To install anew, write wipeInstalled: true below install: in the answer file.',
      })
    }
    return disk
  })
  if (new Set(chosen.map(({ path }) => path)).size < chosen.length) {
    throw new InstallFault('disk-ambiguous', {
      wrong: 'The answer file names the same disk twice.',
      seen: chosen.map(diskLine),
      remedy: 'A mirror needs two disks.',
    })
  }
  return chosen
}

/** What a person typed: names of one or two offered disks. A number or "yes" is no name. */
export function typed(text: string, disks: readonly Disk[]): Disk[] {
  const names = text
    .trim()
    .split(/[\s,]+/)
    .filter((name) => name !== '')
  const found = names.map((name) => disks.find(({ path }) => path === `/dev/${name}` || path === name))
  if (names.length === 0 || names.length > 2 || found.some((disk) => disk === undefined) || new Set(found).size < names.length) {
    throw new InstallFault('not-confirmed', {
      wrong: `"${text.trim()}" is not the name of an offered disk.`,
      seen: disks.map(diskLine),
      remedy: 'Type the name as it stands at the beginning of a line; two names, with a blank between, for a mirror.',
    })
  }
  return found as Disk[]
}
