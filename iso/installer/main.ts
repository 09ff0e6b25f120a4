import { existsSync } from 'node:fs'
import { readFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { noZfs, parseAnswers, profiles, type Answers, type Profile } from './answers.ts'
import { answersUrlOf, fetchAnswers } from './answers-url.ts'
import { checkClock } from './clock.ts'
import { ask, marker, show, showFault } from './console.ts'
import { diskLine, lsblkColumns, parseDisks, type Disk } from './disks.ts'
import { InstallFault, wrapped } from './fault.ts'
import { named, offered, typed, type Need } from './guard.ts'
import { verifyPayload } from './payload.ts'
import { rescue, resetInstalled } from './rescue.ts'
import { checkSecureBoot, secureBootOn } from './secure-boot.ts'
import { followed, tool } from './tools.ts'
import { writeSystem } from './write.ts'

// The installer, on the medium: looks, asks or reads answers, verifies the medium, writes, powers off. Nothing is written to any
// disk before all of that was good.
const medium = '/run/live/medium'
const leastMemoryBytes = 900 * 2 ** 20

async function main(): Promise<void> {
  const commandLine = await readFile('/proc/cmdline', 'utf8')
  const mode = /\bfreehold\.mode=(\w+)/.exec(commandLine)?.[1]
  const live = /\bboot=live\b/.test(commandLine)
  marker('started')
  if (mode === 'rescue') return await rescue(live)
  if (!live && mode === 'reset') return await resetInstalled()
  await checkMemory()
  const need = await readNeed()
  checkClock(Date.now() / 1000, need.built)
  // a factory reset is asked for by hand, ever
  const answers = mode === 'reset' ? undefined : await findAnswers(commandLine)
  const disks = parseDisks(await tool('lsblk', ['--json', '--bytes', '--output', lsblkColumns]))
  const choice = answers === undefined ? undefined : named(disks, answers.install, need)
  if (choice === undefined) offered(disks, need)
  const secureBoot = await secureBootOn()
  if (answers !== undefined) checkSecureBoot(answers.install.profile, secureBoot)
  marker('looked')
  show('', '  Freehold: verifying this medium …')
  await verifyPayload(medium, '/usr/share/freehold/medium.pub', () => undefined)
  marker('verified')
  const chosen = choice ?? (await askForDisks(disks, need))
  const profile = answers?.install.profile ?? (await askForProfile())
  checkSecureBoot(profile, secureBoot)
  marker('chosen')
  let told = 0
  const { recovery, warnings } = await writeSystem({
    disks: chosen,
    squashfs: join(medium, 'live/filesystem.squashfs'),
    unpackedBytes: need.unpackedBytes,
    answers,
    profile,
    phase: marker,
    progress: (text) => {
      const percent = Number(/(\d+)%/.exec(text)?.[1] ?? '0')
      if (percent >= told + 10) show(`  copied ${(told = percent - (percent % 10))} %`)
    },
  })
  for (const warning of warnings) show('', `  Warning: ${warning}`)
  show(
    '',
    '  Freehold is installed. Remove the medium.',
    '',
    '  The recovery secret of this machine, shown only now; write it down:',
    '',
    `      ${recovery}`,
    '',
    '  It opens this machine from the rescue entry of the medium. Root has no password.',
    '',
  )
  marker('installed')
  if (answers === undefined) await ask('  Press Enter when you have written it down. The machine powers off. ')
  // everything is written and unmounted: units of a live system have nothing to end well
  await tool('systemctl', ['--force', answers?.install.afterwards === 'reboot' ? 'reboot' : 'poweroff'])
}

async function checkMemory(): Promise<void> {
  const total = Number(/^MemTotal:\s+(\d+) kB/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1] ?? '0') * 1024
  if (total >= leastMemoryBytes) return
  throw new InstallFault('memory-too-small', {
    wrong: 'This machine has too little memory.',
    seen: [`${Math.round(total / 2 ** 20)} MiB are there, ${Math.round(leastMemoryBytes / 2 ** 20)} MiB are needed`],
    remedy: 'Add memory and start again.',
  })
}

async function readNeed(): Promise<Need & { built: number }> {
  if (!existsSync(join(medium, 'live/filesystem.squashfs'))) {
    throw new InstallFault('medium-missing', {
      wrong: 'The medium this system started from cannot be read any more.',
      seen: [medium],
      remedy: 'Leave the stick in until the machine has powered off. Start again.',
    })
  }
  const { bytes, built } = JSON.parse(await readFile('/usr/share/freehold/unpacked.json', 'utf8')) as Record<
    'bytes' | 'built',
    number
  >
  return { unpackedBytes: bytes, built }
}

/** From systemd's credentials (SMBIOS, fw_cfg), an address on the kernel's command line, or a file system labelled FREEHOLD: the
 * medium's data partition, another stick. The first that is there counts. */
async function findAnswers(commandLine: string): Promise<Answers | undefined> {
  const credential = join(process.env['CREDENTIALS_DIRECTORY'] ?? '/nonexistent', 'freehold.answers')
  if (existsSync(credential)) return parseAnswers(await readFile(credential, 'utf8'), 'credential freehold.answers')
  const from = answersUrlOf(commandLine)
  if (from !== undefined) {
    show('', `  Freehold: fetching answers from ${from.url} …`)
    return parseAnswers(await fetchAnswers(from), from.url)
  }
  const label = '/dev/disk/by-label/FREEHOLD'
  if (!existsSync(label)) return undefined
  await mkdir('/run/freehold-answers', { recursive: true, mode: 0o700 })
  // the live system is mounted from the whole stick, not from a partition of it: the kernel lets nobody mount one beside it, but a
  // loop device reads it
  const loop = (await tool('losetup', ['--read-only', '--find', '--show', label])).trim()
  try {
    await tool('mount', ['-o', 'ro,nosuid,nodev,noexec', loop, '/run/freehold-answers'])
    const file = '/run/freehold-answers/answers.yaml'
    return existsSync(file) ? parseAnswers(await readFile(file, 'utf8'), 'FREEHOLD:/answers.yaml') : undefined
  } finally {
    await tool('umount', ['/run/freehold-answers']).catch(() => undefined)
    await tool('losetup', ['--detach', loop]).catch(() => undefined)
  }
}

async function askForProfile(): Promise<Profile> {
  show('', '  libvirt: VMs run on this machine, all that is needed is on the medium.')
  show('  proxmox: this machine becomes a Proxmox host; needs the Internet at its')
  show('           first start, and Secure Boot off.')
  const typed = (await ask('  Profile [libvirt]: ')).trim()
  return profiles.find((name) => name === typed) ?? (typed === '' ? 'libvirt' : await askForProfile())
}

/** Lists what is there; what is typed twice and is the name of a disk counts. */
async function askForDisks(disks: readonly Disk[], need: Need): Promise<Disk[]> {
  for (;;) {
    const free = offered(disks, need)
    show('', '  Freehold will be installed on one of these disks, or on two as a mirror.')
    show(...wrapped(`The file system is ext4. ${noZfs}`), '')
    for (const disk of free) show(`    ${diskLine(disk)}`)
    show('', '  Everything on the chosen disk will be lost. Nothing has been written yet.', '')
    try {
      const chosen = typed(await ask('  Name of the disk: '), free)
      const again = await ask(`  Type the name again to wipe ${chosen.map(({ path }) => path).join(' and ')}: `)
      const same = typed(again, chosen)
      if (same.length === chosen.length) return chosen
      show('  The two answers differ.')
    } catch (error) {
      if (!(error instanceof InstallFault)) throw error
      show('', `  ${error.message}`, `  ${error.remedy}`)
    }
  }
}

/** After a fault the screen stays; Enter starts anew. */
async function halt(error: unknown): Promise<void> {
  const fault =
    error instanceof InstallFault
      ? error
      : new InstallFault('tool-failed', {
          wrong: 'The installer met what it does not know.',
          seen: [String(error)],
          remedy: 'Start from the medium again. If it comes back, report these lines.',
          cause: error,
        })
  showFault(fault)
  await ask('  Press Enter to restart the machine. ')
  await followed('systemctl', ['--no-block', 'reboot'], () => undefined)
}

await main().catch(halt)
