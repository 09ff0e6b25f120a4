import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { defineSection } from '../section.ts'

const { roles, deployment } = configSchema.shape

/** Who governs, who is paid, and who signs the deployment. */
export const people = defineSection({
  name: 'people',
  schema: z.strictObject({ roles, deployment }),
  fields: ['roles', 'deployment'],
  follows: ['chain'],
  checks: [
    {
      name: 'owner-wallet',
      pointer: '/roles/owner',
      async run({ roles: { owner } }, ports) {
        const url = ports.known.chain?.rpcUrls[0]
        if (url === undefined) return {}
        const code = await ports.rpc(url, 'eth_getCode', [owner, 'latest'])
        const kind = typeof code === 'string' && code !== '0x' ? 'contract' : 'key'
        return { values: { kind } }
      },
    },
    {
      name: 'treasury-apart',
      pointer: '/roles/treasury',
      async run({ roles: { owner, treasury } }) {
        if (owner.toLowerCase() === treasury.toLowerCase()) {
          return { warning: 'The wallet that governs is also the one that is paid. Two wallets make a loss smaller.' }
        }
        return {}
      },
    },
  ],
})
