import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'

/**
 * Setup ends: the code on the screen is void, whoever came in by it is out, and the public door opens. From here on the operator
 * is whoever holds pass 0 and signs with that wallet. Not undone: a host that sells is ended by its operator.
 */
export const handOver: Step<SetupContext> = {
  name: 'hand-over',
  estimateSeconds: 1,
  check: (context) => context.handedOver(),
  async run(context, io) {
    await context.handOver()
    io.log(
      `the storefront is open at ${context.answers.origin}; the code is void, and ${context.answers.roles.owner} is the operator`,
    )
  },
}
