import { formatEther } from 'ethers'
import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { neededWei } from '../../funds.ts'
import { defineSection } from '../section.ts'

const { roles, deployment } = configSchema.shape
const wei = z
  .string()
  .regex(/^0x[0-9a-f]{1,64}$/i)
  .transform(BigInt)

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
    {
      name: 'key-funds',
      pointer: '/deployment',
      async run({ deployment: by }, ports) {
        const { chain, contracts } = ports.known
        const url = chain?.rpcUrls[0]
        // a contract that is taken is paid already
        if (chain === undefined || url === undefined || (contracts ?? []).length > 0) return {}
        const needed = neededWei({ deployment: by, chain })
        const amount = formatEther(needed)
        const purpose = by === 'key' ? 'to deploy the contract' : 'to begin its work'
        const address = (await (by === 'key' ? ports.ownDeployer?.() : ports.ownProvisioner?.())) ?? null
        if (address === null) {
          return {
            values: { needed: amount },
            warning: `A key of this host needs ${amount} ${purpose}. Setup makes it, tells its address and waits for the payment.`,
          }
        }
        const balance = wei.safeParse(await ports.rpc(url, 'eth_getBalance', [address, 'latest'])).data
        if (balance === undefined) {
          throw new AppError({ code: 'rpc-unreachable', detail: `What answers at ${new URL(url).host} tells no balance.` })
        }
        const values = { address, balance: formatEther(balance), needed: amount }
        if (balance >= needed) return { values }
        return {
          values,
          warning: `${address} holds ${values.balance}; the key of this host needs ${amount} ${purpose}. Send the rest to it now, or when setup waits for it.`,
        }
      },
    },
  ],
})
