import { appendFile, chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Answers, Profile } from './answers.ts'
import { cutShortMenu, sayCutShort, sayCutShortUnderUefi } from './cut-short.ts'
import { arraysOn } from './arrays.ts'
import type { Disk } from './disks.ts'
import { makeRecovery } from './recovery.ts'
import { layoutOf, namedHost, partitionOf, sfdiskScript } from './layout.ts'
import { followed, tool } from './tools.ts'

/** Where the new root and each ESP are mounted, and the root of the live system. */
export const places = { target: '/target', esp: '/run/freehold-esp', live: '/' }
type Places = typeof places

/** While this file is there the disk does not start as a host. */
export const incompleteMark = 'etc/freehold/install-incomplete'

export interface WriteOptions {
  disks: readonly Disk[]
  squashfs: string
  unpackedBytes: number
  answers: Answers | undefined
  profile: Profile
  phase(name: string): void
  progress(text: string): void
}

/**
 * Writes the system: partition, format, unpack, boot loaders for BIOS and UEFI; then takes the mark of an unfinished installation
 * away, and last of all gives the root of each disk the name of a host. A cut before the mark went leaves a disk that says what to
 * do; one behind it a whole host, whose first start gives the name (boot-loaders). A disk of that name is always a whole host.
 * Answers the recovery secret, which nothing keeps but as a hash.
 */
export async function writeSystem(
  options: WriteOptions,
  { target, esp, live }: Places = places,
): Promise<{ recovery: string; warnings: string[] }> {
  const { disks, phase } = options
  const mirror = disks.length === 2
  const bytes = Math.min(...disks.map((disk) => disk.bytes))
  const layout = layoutOf(bytes, options.unpackedBytes)
  // meanwhile nobody puts the mirror of an earlier installation together again, as the medium's system has done
  await tool('udevadm', ['control', '--stop-exec-queue'])
  try {
    const { arrays, members } = arraysOn(disks)
    for (const old of arrays) await tool('mdadm', ['--stop', old])
    for (const member of members) await tool('wipefs', ['--all', '--force', member])
    for (const disk of disks) {
      await tool('wipefs', ['--all', '--force', disk.path])
      await tool('sfdisk', ['--wipe', 'always', '--wipe-partitions', 'always', disk.path], sfdiskScript(layout, mirror))
      await sayCutShort(disk.path)
    }
  } finally {
    await tool('udevadm', ['control', '--start-exec-queue'])
  }
  await tool('udevadm', ['settle', '--timeout=30'])
  await mkdir(esp, { recursive: true })
  for (const [i, disk] of disks.entries()) {
    const partition = partitionOf(disk, 2)
    await tool('mkfs.vfat', ['-F', '32', '-n', i === 0 ? 'FH-ESP' : 'FH-ESP2', partition])
    await tool('mount', ['-t', 'vfat', partition, esp])
    await sayCutShortUnderUefi(esp, live)
    await tool('umount', [esp])
  }
  phase('partitioned')

  const root = mirror ? await array('root', disks, 3) : partitionOf(disks[0] as Disk, 3)
  const vms = layout.vms === 0 ? undefined : mirror ? await array('vms', disks, 4) : partitionOf(disks[0] as Disk, 4)
  await tool('mkfs.ext4', ['-q', '-F', '-L', 'freehold-root', root])
  if (vms !== undefined) await tool('mkfs.ext4', ['-q', '-F', '-m', '0', '-L', 'freehold-vms', vms])
  phase('formatted')

  await mkdir(target, { recursive: true })
  await tool('mount', [root, target])
  await mkdir(join(target, 'etc/freehold'), { recursive: true, mode: 0o755 })
  await writeFile(join(target, incompleteMark), '')
  // a cut from here on leaves a root that says so
  await tool('sync', ['-f', target])
  await followed(
    'unsquashfs',
    ['-force', '-dest', target, '-strict-errors', '-quiet', '-data-queue', '32', '-frag-queue', '32', options.squashfs],
    options.progress,
  )
  phase('copied')

  await fstab(target, disks, root, vms)
  await copyFile(join(target, 'usr/share/freehold/debian.sources'), join(target, 'etc/apt/sources.list.d/debian.sources'))
  await rest(target, options.answers)
  const { secret: recovery, line, menuLine } = makeRecovery()
  await writeFile(join(target, 'etc/freehold/recovery'), line, { mode: 0o600 })
  await writeFile(join(target, 'etc/freehold/grub-password'), menuLine, { mode: 0o600 })
  await writeFile(join(target, 'etc/freehold/profile'), `${options.profile}\n`)
  if (mirror) {
    await appendFile(join(target, 'etc/mdadm/mdadm.conf'), await tool('mdadm', ['--detail', '--scan']))
  }
  for (const name of ['dev', 'proc', 'sys', 'run']) await tool('mount', ['--rbind', `/${name}`, join(target, name)])
  const inside = (program: string, ...args: string[]) => tool('chroot', [target, program, ...args])
  if (mirror) await inside('update-initramfs', '-u')
  await mkdir(join(target, 'boot/grub'), { recursive: true })
  await writeFile(join(target, 'boot/grub/grub.cfg'), cutShortMenu)
  for (const disk of disks) await inside('grub-install', '--target=i386-pc', '--recheck', disk.path)
  phase('grub-bios')
  await mkdir(join(target, 'boot/efi'), { recursive: true })
  await inside('/usr/lib/freehold/boot-loaders')
  phase('grub-uefi')
  await inside('update-grub')
  phase('menu')
  // the mark goes when all else is on the disk: a cut must not find a host without its menu
  await tool('sync', ['-f', target])
  await rm(join(target, incompleteMark))
  // synced by this: no disk may be named a host that still bears the mark
  const warnings = await leave(target)
  return { recovery, warnings: [...warnings, ...(await nameHost(disks))] }
}

async function array(name: string, disks: readonly Disk[], number: number): Promise<string> {
  const path = `/dev/md/freehold-${name}`
  const members = disks.map((disk) => partitionOf(disk, number))
  await tool('mdadm', [
    '--create',
    path,
    '--run',
    '--level=1',
    '--metadata=1.2',
    '--homehost=any',
    `--raid-devices=${members.length}`,
    ...members,
  ])
  return path
}

const uuidOf = async (path: string): Promise<string> =>
  (await tool('blkid', ['--match-tag', 'UUID', '--output', 'value', path])).trim()

async function fstab(target: string, disks: readonly Disk[], root: string, vms: string | undefined): Promise<void> {
  const lines = [`UUID=${await uuidOf(root)} / ext4 errors=remount-ro 0 1`]
  // a mirror that lost a disk is put together after 30 s, and disks may be slow: with less than this its VMs would stay down
  const waits = 'x-systemd.device-timeout=180'
  if (vms !== undefined) lines.push(`UUID=${await uuidOf(vms)} /var/lib/freehold-vm ext4 nofail,${waits} 0 2`)
  const esp = partitionOf(disks[0] as Disk, 2)
  lines.push(`UUID=${await uuidOf(esp)} /boot/efi vfat umask=0077,nofail 0 1`)
  await writeFile(join(target, 'etc/fstab'), `${lines.join('\n')}\n`)
}

/** What the first boot applies; it is removed then. */
async function rest(target: string, answers: Answers | undefined): Promise<void> {
  if (answers?.rest === undefined) return
  const file = join(target, 'etc/freehold/answers.yaml')
  await writeFile(file, answers.rest, { mode: 0o600 })
  await chmod(file, 0o600)
}

/** What still holds the root is let go lazily; a clean-up that fails is a warning, for the disk works. */
async function leave(target: string): Promise<string[]> {
  await tool('sync', [])
  for (const name of ['run', 'sys', 'proc', 'dev'])
    await tool('umount', ['--recursive', '--lazy', join(target, name)]).catch(() => undefined)
  try {
    await tool('umount', ['--recursive', target])
    return []
  } catch {
    await tool('mount', ['-o', 'remount,ro', target]).catch(() => undefined)
    const held = await readFile('/proc/mounts', 'utf8').then((text) => text.includes(` ${target} ext4 rw`))
    return held ? ['The disk could not be unmounted; it was synced.'] : []
  }
}

/** The host is whole by now: what fails here is a warning. */
async function nameHost(disks: readonly Disk[]): Promise<string[]> {
  const warnings: string[] = []
  for (const disk of disks) {
    try {
      await tool('sfdisk', namedHost(disk))
      await tool('sync', [disk.path])
    } catch {
      warnings.push(`${disk.path} is not marked as a host yet; its first start does that.`)
    }
  }
  return warnings
}
