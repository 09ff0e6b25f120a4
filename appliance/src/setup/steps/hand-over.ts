import { join } from 'node:path'
import { eraseFile, isErased } from '../../config/erase-file.ts'
import type { Step, StepIo } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'
import { KeySigner } from '../key-signer.ts'
import { sweep } from '../sweep.ts'
import { hostKeys, openRpc } from './chain.ts'

/** The key without any role that paid the deployment. */
const payerOf = ({ secretsFolder }: SetupContext): string => join(secretsFolder, 'deployer.key')

/** What came to the deployer after the deployment goes to the provisioner: a key is erased only while the chain says it is empty. */
async function erasePayer(context: SetupContext, io: StepIo): Promise<void> {
  if (await isErased(payerOf(context))) return
  const provider = await openRpc(context)
  try {
    const { deployer, provisioner } = await hostKeys(context)
    await sweep(provider, new KeySigner(deployer, provider), provisioner.address, io, 'that came late went to the provisioner')
  } finally {
    provider.destroy()
  }
  await eraseFile(payerOf(context))
}

/**
 * Setup ends: the code on the screen is void, whoever came in by it is out, and the public door opens. From here on the operator
 * is whoever holds pass 0 and signs with that wallet. The key that paid the deployment is emptied and erased (I7). Not undone: a
 * host that sells is ended by its operator.
 */
export const handOver: Step<SetupContext> = {
  name: 'hand-over',
  estimateSeconds: 1,
  check: async (context) => (await context.handedOver()) && (await isErased(payerOf(context))),
  async run(context, io) {
    await context.handOver()
    await erasePayer(context, io)
    io.log(
      `the storefront is open at ${context.answers.origin}; the code is void, and ${context.answers.roles.owner} is the operator`,
    )
  },
}
