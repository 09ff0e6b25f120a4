import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { backupSchema, backupsSchema, type BackupShown } from '../../api/schemas/backups.ts'
import { AppError } from '../../errors/app-error.ts'
import type { CliContext } from '../context.ts'
import { printJson, printLine, printTable, say } from '../output.ts'
import { readNamed, sendBackup } from '../send-backup.ts'

// loaded where they are needed: every other verb starts without the cipher
const keys = () => import('../../backup/keys.ts')
const opened = async (path: string, keyText: string, unpackTo?: string) => {
  const [{ openKeysOf }, { readInThread }] = await Promise.all([keys(), import('../../backup/thread.ts')])
  return await readInThread({ path, open: openKeysOf(keyText), ...(unpackTo !== undefined && { unpackTo }) })
}

type Make = (command: Command) => CliContext
const acting = () => ({ body: {}, headers: { 'idempotency-key': randomBytes(16).toString('hex') } })
const time = (seconds: number | null): string =>
  seconds === null ? 'never' : new Date(seconds * 1000).toISOString().replace('T', ' ').slice(0, 16)

function line(one: BackupShown): string[] {
  const found = one.found === 'good' ? 'good' : one.found === 'damaged' ? 'DAMAGED' : 'not opened yet'
  return [one.name, time(one.createdAt), `${Math.ceil(one.bytes / 1024)} KiB`, found, time(one.readAt)]
}

/** `freehold backup …`: sealed backups of this host, and a machine that comes back from one. */
export function registerBackupCommands(program: Command, make: Make): void {
  const backup = program.command('backup').description('sealed backups of this host: make, list, read back, restore')

  backup
    .command('key')
    .description('make a recovery key: shown once and kept nowhere; its recipient goes into the configuration')
    .action(async (_, command: Command) => {
      const key = await (await keys()).newRecoveryKey()
      if (make(command).options.json) return printJson(key)
      printLine(`# recovery key of Freehold backups; public half: ${key.recipient}`)
      printLine(key.identity)
      say(
        `Keep the line above away from this machine: without it no backup opens.\nConfiguration: backup.recipient: ${key.recipient}`,
      )
    })

  backup
    .command('make')
    .description('make a backup now and read it back')
    .action(async (_, command: Command) => {
      const { admin, options } = make(command)
      const made = await admin.call(backupSchema, 'POST', '/v1/backups', acting())
      if (options.json) return printJson(made)
      printLine(made.name)
      say('It was read back and is as it was written.')
    })

  backup
    .command('list')
    .description('the backups in the folder, the newest first')
    .action(async (_, command: Command) => {
      const { admin, options } = make(command)
      const state = await admin.call(backupsSchema, 'GET', '/v1/backups')
      if (options.json) return printJson(state)
      printTable([['NAME', 'MADE (UTC)', 'SIZE', 'READ BACK', 'AT (UTC)'], ...state.backups.map(line)])
      if (state.sealedTo === null) say('None are made: nobody is named who could open one. See: freehold backup key')
      if (state.failure !== null)
        say(`The last one failed at ${time(state.failure.at)}: ${state.failure.detail}\n${state.failure.hint}`)
      if (state.staysHere) say(`They lie on this machine alone (${state.folder}): take them elsewhere.`)
    })

  backup
    .command('verify')
    .argument('<name-or-file>', 'a backup of the list, or with --key-file any file')
    .option('--key-file <file>', 'file with the recovery key or passphrase; then no daemon is asked')
    .description('open a backup and compare every byte of it')
    .action(async (name: string, own: { keyFile?: string }, command: Command) => {
      const { admin, options } = make(command)
      if (own.keyFile !== undefined) {
        const manifest = await opened(resolve(name), await readNamed(own.keyFile))
        if (options.json) return printJson({ found: 'good', manifest })
        printTable([['FILE', 'BYTES'], ...manifest.files.map(({ path, bytes }) => [path, String(bytes)])])
        return say(`Whole: of ${manifest.origin}, made ${time(manifest.createdAt)} UTC by Freehold ${manifest.product}.`)
      }
      const view = await admin.call(backupSchema, 'POST', `/v1/backups/${encodeURIComponent(name)}/verify`, acting())
      if (options.json) printJson(view)
      if (view.found !== 'good') {
        throw new AppError({ code: 'backup-unreadable', detail: `${view.name} is cut off or damaged.` })
      }
      if (!options.json) say(`${view.name} is whole.`)
    })

  backup
    .command('restore')
    .argument('<file>', 'a sealed backup')
    .requiredOption('--key-file <file>', 'file with the recovery key or passphrase')
    .option('--to <folder>', 'only lay its files down in this empty folder; no daemon is asked')
    .description('bring a machine that is not set up back to a backup; then run freehold apply, or go on in the wizard')
    .action(async (file: string, own: { keyFile: string; to?: string }, command: Command) => {
      const { admin, options } = make(command)
      const keyText = await readNamed(own.keyFile)
      if (own.to !== undefined) {
        const manifest = await unpack(resolve(file), keyText, resolve(own.to))
        if (options.json) return printJson({ folder: resolve(own.to), manifest })
        return say(`${manifest.files.length} files lie in ${own.to}. Among them are secrets: remove them when you are done.`)
      }
      const restored = await sendBackup(admin, resolve(file), keyText)
      if (options.json) return printJson(restored)
      say(
        `Restored: ${restored.origin} as of ${time(restored.createdAt)} UTC, ${restored.vms} VMs.\nThe former configuration is the draft of the wizard, and lies in restored-freehold.yaml below the state folder. Set the machine up by it: name its contracts, and have the owner name the new provisioner key (setProvisioner).`,
      )
    })
}

/** All of it or nothing lies in the folder afterwards. */
async function unpack(file: string, keyText: string, folder: string) {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if ((await readdir(folder)).length > 0) {
    throw new AppError({ code: 'bad-input', detail: `${folder} is not empty.`, hint: 'Name a new folder.' })
  }
  try {
    return await opened(file, keyText, folder)
  } catch (error) {
    for (const name of await readdir(folder)) await rm(resolve(folder, name), { recursive: true, force: true })
    throw error
  }
}
