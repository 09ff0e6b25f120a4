import { spawn } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { factoryReset } from '../../appliance/src/host/reset/factory-reset.ts'
import { ask, marker, show } from './console.ts'
import { diskLine, lsblkColumns, parseDisks, rootPartition } from './disks.ts'
import { InstallFault } from './fault.ts'
import { isRecovery } from './recovery.ts'
import { tool } from './tools.ts'

/** A person mistypes; who guesses restarts the machine each time. */
const tries = 5
/** What is typed to forget everything: nobody types it by accident. */
const forget = 'FORGET EVERYTHING'

/** Opens an installed host for who has its recovery secret: a shell in its root, which ends with the machine's restart. */
export async function rescue(live: boolean): Promise<void> {
  const root = await rootOfHost(live)
  marker('rescue')
  await proved(root)
  show('', '  A root shell on the host’s disk. Its services do not run. `exit` restarts the machine.', '')
  const [program, ...args] = live ? ['chroot', root, '/bin/bash', '--login'] : ['/bin/bash', '--login']
  if (live) for (const name of ['dev', 'proc', 'sys', 'run']) await tool('mount', ['--rbind', `/${name}`, join(root, name)])
  await new Promise<void>((done) => {
    spawn(program as string, args, { stdio: 'inherit', cwd: live ? '/' : '/root' }).once('close', () => done())
  })
  await restart()
}

/** The disk's own menu: forgets everything the host knows and keeps the system. The wipe guard is the secret, and words. */
export async function resetInstalled(): Promise<void> {
  const root = await rootOfHost(false)
  marker('reset')
  show('', '  Factory reset: settings, keys, the store and every VM with its disk are deleted. There is no way back.', '')
  await proved(root)
  const typed = (await ask(`  Type ${forget} to go on: `)).trim()
  if (typed !== forget) {
    throw new InstallFault('not-confirmed', {
      wrong: 'Nothing was deleted: the words were not typed.',
      seen: [JSON.stringify(typed.slice(0, 40))],
      remedy: 'Restart; the machine goes on as before.',
    })
  }
  await factoryReset(root, (line) => show(`  ${line}`))
  marker('forgotten')
  await restart()
}

async function restart(): Promise<void> {
  await tool('sync', [])
  await tool('systemctl', ['--no-block', 'reboot'])
}

/** Root folder of the host on this machine's disk; mounted where a medium runs. */
async function rootOfHost(live: boolean): Promise<string> {
  if (!live) return '/'
  const target = '/target'
  const device = join('/dev/disk/by-partlabel', rootPartition)
  const disks = parseDisks(await tool('lsblk', ['--json', '--bytes', '--output', lsblkColumns]))
  if (!disks.some(({ freehold }) => freehold === 'host')) {
    throw new InstallFault('disk-not-found', {
      wrong: 'No disk of this machine holds a Freehold host.',
      seen: disks.filter(({ inUse }) => !inUse).map(diskLine),
      remedy: 'Attach its disk, or choose the installation in the menu of the medium.',
    })
  }
  await mkdir(target, { recursive: true })
  // a mirror that lost a disk is started with the one it has
  await tool('mdadm', ['--incremental', '--run', '--scan']).catch(() => undefined)
  await tool('mount', ['/dev/md/freehold-root', target]).catch(() => tool('mount', [device, target]))
  return target
}

/** Throws `not-confirmed` unless the recovery secret was typed. */
async function proved(root: string): Promise<void> {
  const line = await readFile(join(root, 'etc/freehold/recovery'), 'utf8').catch(() => '')
  for (let left = tries; left > 0; left--) {
    if (isRecovery(await ask('  Recovery secret of this machine: '), line)) return
    show(`  That is not it. ${left - 1} ${left === 2 ? 'try' : 'tries'} left.`)
  }
  throw new InstallFault('not-confirmed', {
    wrong: 'The recovery secret was not given.',
    remedy: 'It was shown once, when this machine was installed. Without it the disks can be read in another machine only.',
  })
}
