import { Readable } from 'node:stream'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { backupName } from './folder.ts'
import type { Backups, BackupsState, BackupView } from './backups.ts'

/** A folder whose name makes every new backup fail, as an unmounted drive does. */
export const sentinelFolder = '/mnt/sentinel-not-mounted'

/** The twin, and its world to be changed by hand. */
export interface PlayedBackups extends Backups {
  world: Pick<BackupsState, 'sealedTo' | 'folder' | 'staysHere' | 'backups'>
}

/** Backups of an invented world: in memory, without a file; for the demo and for tests of API and pages. */
export function playedBackups(options: {
  clock: Pick<Clock, 'now'>
  installation: string
  /** How many days ago those were made that are there, the newest first. */
  daysAgo: readonly number[]
}): PlayedBackups {
  const { clock, installation } = options
  let failure: BackupsState['failure'] = null
  const made = (createdAt: number): BackupView => ({
    name: backupName(installation, createdAt),
    createdAt,
    bytes: 412_345,
    readAt: createdAt,
    found: 'good',
    vms: 3,
    files: 12,
  })
  const world: PlayedBackups['world'] = {
    sealedTo: 'recovery-key',
    folder: '/mnt/backup',
    staysHere: false,
    backups: options.daysAgo.map((days) => made(clock.now() - days * 86_400)),
  }
  const find = (name: string): BackupView => {
    const view = world.backups.find((one) => one.name === name)
    if (view !== undefined) return view
    throw new AppError({ code: 'not-found', detail: 'There is no such backup in the folder.' })
  }
  return {
    world,
    state: () =>
      Promise.resolve({
        ...structuredClone(world),
        schedule: '17 3 * * *',
        keep: 14,
        busy: false,
        failure,
        copied: null,
      }),
    health: () =>
      Promise.resolve({
        sealed: world.sealedTo !== null,
        lastGoodAt: world.backups[0]?.createdAt ?? null,
        maxAgeSeconds: 259_200,
        failure: failure?.detail ?? null,
        since: clock.now(),
      }),
    make() {
      if (world.folder === sentinelFolder) {
        const error = new AppError({
          code: 'backup-folder-missing',
          detail: `${world.folder} is not there, or its drive is not mounted.`,
        })
        failure = { at: clock.now(), code: error.code, detail: error.detail, hint: error.hint }
        return Promise.reject(error)
      }
      const view = made(clock.now())
      failure = null
      if (!world.backups.some(({ name }) => name === view.name)) world.backups.unshift(view)
      return Promise.resolve({ ...view })
    },
    async verify(name) {
      const view = find(name)
      view.readAt = clock.now()
      return await Promise.resolve({ ...view })
    },
    async download(name) {
      find(name)
      const content = Buffer.from('an invented backup holds nothing\n')
      return await Promise.resolve({ bytes: content.length, stream: Readable.from([content]) })
    },
    tick: () => Promise.resolve(),
    start: () => undefined,
    wake: () => undefined,
    stop: () => Promise.resolve(),
  }
}
