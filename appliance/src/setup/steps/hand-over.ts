import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { eraseFile } from '../../config/erase-file.ts'
import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'

/** The key without any role that paid the deployment, and a name that only an erasure cut off leaves. */
const needless = ['deployer.key', 'deployer.key.going']

async function keptSomething({ secretsFolder }: SetupContext): Promise<boolean> {
  for (const name of needless) {
    const kept = await access(join(secretsFolder, name)).then(
      () => true,
      () => false,
    )
    if (kept) return true
  }
  return false
}

/**
 * Setup ends: the code on the screen is void, whoever came in by it is out, and the public door opens. From here on the operator
 * is whoever holds pass 0 and signs with that wallet. The key that paid the deployment is empty by then and is erased (I7). Not
 * undone: a host that sells is ended by its operator.
 */
export const handOver: Step<SetupContext> = {
  name: 'hand-over',
  estimateSeconds: 1,
  check: async (context) => (await context.handedOver()) && !(await keptSomething(context)),
  async run(context, io) {
    await context.handOver()
    await eraseFile(join(context.secretsFolder, 'deployer.key'))
    io.log(
      `the storefront is open at ${context.answers.origin}; the code is void, and ${context.answers.roles.owner} is the operator`,
    )
  },
}
