import { spawn } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask, marker, show } from './console.ts'
import { lsblkColumns, parseDisks, rootPartition } from './disks.ts'
import { InstallFault } from './fault.ts'
import { isRecovery } from './recovery.ts'
import { tool } from './tools.ts'

const target = '/target'
/** A person mistypes; who guesses restarts the machine each time. */
const tries = 5

/** Opens an installed host for who has its recovery secret: a shell in its root, which ends with the machine's restart. */
export async function rescue(): Promise<void> {
  const device = join('/dev/disk/by-partlabel', rootPartition)
  const ours = parseDisks(await tool('lsblk', ['--json', '--bytes', '--output', lsblkColumns])).some((disk) => disk.ours)
  if (!ours) {
    throw new InstallFault('disk-not-found', {
      wrong: 'No disk of this machine holds a Freehold host.',
      remedy: 'Attach its disk, or choose the installation in the menu of the medium.',
    })
  }
  await mkdir(target, { recursive: true })
  const array = '/dev/md/freehold-root'
  await tool('mount', [array, target]).catch(() => tool('mount', [device, target]))
  const line = await readFile(join(target, 'etc/freehold/recovery'), 'utf8').catch(() => '')
  marker('rescue')
  for (let left = tries; left > 0; left--) {
    if (isRecovery(await ask('  Recovery secret of this machine: '), line)) return await shell()
    show(`  That is not it. ${left - 1} ${left === 2 ? 'try' : 'tries'} left.`)
  }
  throw new InstallFault('not-confirmed', {
    wrong: 'The recovery secret was not given.',
    remedy: 'It was shown once, when this machine was installed. Without it the disks can be read in another machine only.',
  })
}

async function shell(): Promise<void> {
  for (const name of ['dev', 'proc', 'sys', 'run']) await tool('mount', ['--rbind', `/${name}`, join(target, name)])
  show('', '  A root shell on the host’s disk. Its services do not run. `exit` restarts the machine.', '')
  await new Promise<void>((done) => {
    spawn('chroot', [target, '/bin/bash', '--login'], { stdio: 'inherit' }).once('close', () => done())
  })
  await tool('sync', [])
  await tool('systemctl', ['--no-block', 'reboot'])
}
