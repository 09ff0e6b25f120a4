import { z } from 'zod'
import { configSchema, type BackupAnswer } from '../../../config/schema.ts'
import { defineSection } from '../section.ts'

const named = ({ recipient, passphraseFile }: BackupAnswer): boolean => recipient !== undefined || passphraseFile !== undefined

/** Where sealed backups of this host go, and who can open them. */
export const backup = defineSection({
  name: 'backup',
  schema: z.strictObject({ backup: configSchema.shape.backup }),
  fields: ['backup'],
  follows: [],
  checks: [
    {
      name: 'backup-key',
      pointer: '/backup/recipient',
      async run({ backup: answer }, ports) {
        if ((await ports.backupIsSealed?.(answer)) !== false) return {}
        return {
          warning: 'No backup is made: with this machine its secrets are lost, and an issue stays open until you name a key.',
        }
      },
    },
    {
      name: 'backup-folder',
      pointer: '/backup/folder',
      applies: ({ backup: answer }) => named(answer),
      async run({ backup: answer }, ports) {
        const place = await ports.backupPlace?.(answer)
        if (place === undefined) return {}
        const { folder, freeMiB, staysHere } = place
        return {
          values: { folder, freeMiB },
          ...(staysHere && {
            warning: `${folder} is on this machine’s own disk. Name a drive or share, or take the backups elsewhere.`,
          }),
        }
      },
    },
  ],
})
