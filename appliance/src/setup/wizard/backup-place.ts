import { access, constants, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { BackupAnswer } from '../../config/schema.ts'
import { AppError } from '../../errors/app-error.ts'
import { sharesDiskWithState } from './disk-places.ts'

/** Where the sealed backups of these answers would lie. */
export interface BackupPlace {
  folder: string
  freeMiB: number
  /** On the disk of the host's own state: lost together with it. */
  staysHere: boolean
}

/**
 * Looks at the folder that backups go to, by reading only; the one that nobody named is made by the first backup. Throws
 * `backup-folder-missing`, `no-permission`.
 */
export async function backupPlace({ folder: named }: BackupAnswer, stateFolder: string): Promise<BackupPlace> {
  const folder = named ?? join(stateFolder, 'backups')
  if (named !== undefined) {
    const there = await stat(named).catch(() => undefined)
    if (there?.isDirectory() !== true) {
      throw new AppError({ code: 'backup-folder-missing', detail: `${named} is not there, or its drive is not mounted.` })
    }
    try {
      await access(named, constants.W_OK | constants.X_OK)
    } catch (cause) {
      throw new AppError({ code: 'no-permission', detail: `The daemon may not write to ${named}.`, cause })
    }
  }
  const { bavail, bsize } = await statfs(named ?? stateFolder)
  return { folder, freeMiB: Math.floor((bavail * bsize) / 2 ** 20), staysHere: await sharesDiskWithState(folder, stateFolder) }
}

/** Whether backups can be sealed by this answer; false: it names nobody who could open one. Throws `config-invalid`, `config-unreadable`. */
export async function backupIsSealed(backup: BackupAnswer): Promise<boolean> {
  // loaded where it is needed: the daemon starts without the cipher
  const { isSealed, readPassphrase, sealer } = await import('../../backup/keys.ts')
  if (backup.recipient !== undefined) sealer({ recipients: [backup.recipient] })
  else if (backup.passphraseFile !== undefined) await readPassphrase(backup.passphraseFile)
  return isSealed(backup)
}
