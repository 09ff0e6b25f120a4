import { restoredSchema } from '../../backup/restored.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'

/**
 * A machine that was filled from a backup goes on serving its contracts: answers that forget one would leave paid VMs without a
 * host, and answers without any would deploy a second contract. Nothing is restored here: that is done before setup begins.
 */
export const restoredStep: Step<SetupContext> = {
  name: 'restored',
  estimateSeconds: 1,
  // on a host that is set up, what it serves stands in its configuration
  check: async ({ readConfig }) => (await readConfig()) !== undefined,
  async run({ answers, journal }, io) {
    const restored = restoredSchema.safeParse(await journal.get('restored')).data
    if (restored === undefined) {
      if (answers.restore === undefined) return
      throw new AppError({
        code: 'not-in-this-state',
        detail: 'The answers name a backup, and nothing was restored from it.',
        hint: 'Apply them with freehold apply on this machine, or restore first: freehold backup restore FILE --key-file KEY',
      })
    }
    const named = new Set(answers.contracts.map(({ address }) => `${answers.chain.chainId} ${address.toLowerCase()}`))
    const missing = restored.installations.filter(({ chainId, contract }) => !named.has(`${chainId} ${contract.toLowerCase()}`))
    if (missing.length > 0) {
      throw new AppError({
        code: 'backup-foreign',
        detail: `The backup on this machine serves ${missing.map(({ contract, chainId }) => `${contract} on network ${chainId}`).join(', ')}, which the answers do not name.`,
        hint: 'Name it in contracts. To set up another installation, begin with a machine on which nothing was restored.',
      })
    }
    io.log(`restored from a backup of ${new Date(restored.createdAt * 1000).toISOString()}; its contracts go on`)
  },
}
