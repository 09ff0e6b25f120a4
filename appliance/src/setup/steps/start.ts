import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'

/** The product starts from the configuration that was written. Always done again: whether it runs is not on disk. */
export const start: Step<SetupContext> = {
  name: 'start',
  estimateSeconds: 3,
  check: async () => false,
  async run(context) {
    const config = await context.readConfig()
    if (config !== undefined) await context.open(config)
  },
}
