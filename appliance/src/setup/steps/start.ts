import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'
import { noteOf } from '../undo-notes.ts'

/** The product starts from the configuration that was written. Always done again: whether it runs is not on disk. */
export const start: Step<SetupContext> = {
  name: 'start',
  estimateSeconds: 3,
  check: async () => false,
  async run(context) {
    const config = await context.readConfig()
    if (config !== undefined) await context.open(config)
  },
  /** It ends, and is not tried again; what ran before comes back with its configuration. One that setup never touched runs on. */
  async undo(context) {
    if ((await noteOf(context.journal, 'config')) !== undefined) await context.close()
  },
}
