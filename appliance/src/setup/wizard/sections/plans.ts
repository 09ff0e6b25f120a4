import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { plansFit } from '../../plans-fit.ts'
import { defineSection } from '../section.ts'

const decimals = z.string().regex(/^0x[0-9a-f]{64}$/i)

/** What is sold, for how much. */
export const plans = defineSection({
  name: 'plans',
  schema: z.strictObject({ plans: configSchema.shape.plans }),
  fields: ['plans'],
  follows: ['hypervisor', 'chain'],
  checks: [
    {
      name: 'plans-fit',
      pointer: '/plans',
      async run(value, ports) {
        const chosen = ports.known.hypervisor
        if (chosen === undefined) return {}
        const driver = await ports.openHypervisor({ hypervisor: chosen })
        try {
          plansFit(value.plans, await driver.capacity())
        } finally {
          await (driver as { close?(): Promise<void> }).close?.()
        }
        return { values: { count: value.plans.length } }
      },
    },
    {
      name: 'plans-tokens',
      pointer: '/plans',
      async run(value, ports) {
        const url = ports.known.chain?.rpcUrls[0]
        if (url === undefined) return {}
        const tokens = new Set(value.plans.flatMap((plan) => Object.keys(plan.prices)).filter((name) => name.startsWith('0x')))
        for (const token of tokens) {
          // 0x313ce567 is decimals()
          const answer = decimals.safeParse(await ports.rpc(url, 'eth_call', [{ to: token, data: '0x313ce567' }, 'latest']))
          if (!answer.success) {
            throw new AppError({
              code: 'config-invalid',
              detail: `${token} is no token of this network: it tells no decimals.`,
              hint: 'Check the address and the network.',
            })
          }
        }
        return { values: { count: tokens.size } }
      },
    },
  ],
})
