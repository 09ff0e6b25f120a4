import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MovableClock } from '../clock/clock.ts'
import { backupAnswer, type BackupAnswer } from '../config/schema.ts'
import { openStore, type Store } from '../store/store.ts'
import { createBackups, type BackupPorts, type Backups } from './backups.ts'
import { newRecoveryKey, type RecoveryKey } from './keys.ts'
import { makeOne } from './make-one.ts'
import { readSealed } from './seal.ts'

const root = join(import.meta.dirname, '../../..')
export const testInstallation = 'aaaaaaaaaaaa'
const about: BackupPorts['about'] = {
  product: '0.1.0',
  origin: 'https://host.example',
  installations: [{ installation: testInstallation, chainId: 31337, contract: `0x${'a'.repeat(40)}` }],
}
/** Secrets of the stand, by their content: none of it may stand in a sealed file. */
export const secretWords = {
  master: 'the master secret of the stand',
  provisioner: 'the key of the provisioner',
  authority: 'the key of the authority',
}

/** A host's state folder with a real database, and a folder that stands for a mounted drive. For tests only. */
export interface BackupStand {
  stateFolder: string
  drive: string
  clock: MovableClock
  store: Store
  key: RecoveryKey
  logged: string[]
  /** A daemon's backups over this state; `changes` are those of the configuration. Without threads, and with a fast scrypt. */
  open(changes?: Partial<BackupAnswer>, more?: Partial<BackupPorts>): Backups
  close(): Promise<void>
}

export async function backupStand(): Promise<BackupStand> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-backup-'))
  const [stateFolder, drive] = [join(folder, 'state'), join(folder, 'drive')]
  for (const below of ['secrets/sign-in', 'tls/authority', 'tls/issued-00AA11BB22CC33DD', 'tls/challenges', 'run', 'log']) {
    await mkdir(join(stateFolder, below), { recursive: true, mode: 0o700 })
  }
  await mkdir(drive)
  const put = (path: string, text: string, mode = 0o600): Promise<void> => writeFile(join(stateFolder, path), text, { mode })
  await put('freehold.yaml', await readFile(join(root, 'scripts/embedded.yaml'), 'utf8'), 0o640)
  await put('secrets/sign-in/master', secretWords.master)
  await put('secrets/authority.key', secretWords.authority)
  await put('secrets/provisioner.key', secretWords.provisioner)
  await put('secrets/provisioner.next.key', secretWords.provisioner)
  await put('tls/authority/root.pem', 'root', 0o640)
  await put('tls/issued-00AA11BB22CC33DD/key.pem', 'key', 0o640)
  await put('tls/first-boot.key', 'of this machine alone')
  await put('tls/challenges/x', 'passing')
  await put('log/daemon.log', 'lines')
  await symlink('issued-00AA11BB22CC33DD', join(stateFolder, 'tls/site'))
  const clock = new MovableClock()
  const store = await openStore(join(stateFolder, 'freehold.db'), { clock })
  const key = await newRecoveryKey()
  const logged: string[] = []
  const opened: Backups[] = []
  return {
    stateFolder,
    drive,
    clock,
    store,
    key,
    logged,
    open(changes, more) {
      const backups = createBackups({
        stateFolder,
        config: backupAnswer.parse({ folder: drive, recipient: key.recipient, ...changes }),
        about,
        settings: store.settings,
        clock,
        log: (line, cause) => logged.push(cause instanceof Error ? `${line}: ${cause.message}` : line),
        work: {
          make: (job) => makeOne({ ...job, workFactor: 10 }),
          read: (job) => readSealed(job.path, job.open, job.unpackTo),
        },
        ...more,
      })
      opened.push(backups)
      return backups
    },
    async close() {
      for (const backups of opened) await backups.stop()
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
