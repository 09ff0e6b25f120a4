import { AppError } from '../../errors/app-error.ts'
import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'

/**
 * The first backup is made and read back before the hand-over counts (design §6). Without anybody who could open one none is
 * made, and a standing issue says so.
 */
export const backupStep: Step<SetupContext> = {
  name: 'backup',
  estimateSeconds: 5,
  skippable: true,
  check: async () => false,
  async run({ answers: { backup }, backups }, io) {
    if (backup.recipient === undefined && backup.passphraseFile === undefined) {
      if (backup.folder !== undefined) {
        throw new AppError({
          code: 'config-invalid',
          detail: 'The answers name a folder for backups, and nobody who could open them.',
          hint: 'Make a recovery key with freehold backup key and write its public half as backup.recipient.',
        })
      }
      io.log('no backup is made: the answers name nobody who could open one (backup.recipient)')
      return
    }
    const service = backups?.()
    if (service === undefined) throw new AppError({ code: 'not-in-this-state', detail: 'The product does not run yet.' })
    io.progress('making')
    const made = await service.make()
    io.log(`backup ${made.name} was made and read back`)
    const { staysHere, folder } = await service.state()
    if (staysHere)
      io.log(`it lies on this machine alone (${folder}): take it elsewhere, or name a mounted drive in backup.folder`)
  },
}
