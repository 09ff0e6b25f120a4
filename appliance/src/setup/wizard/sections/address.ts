import { lookup } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { defineSection } from '../section.ts'

const { origin } = configSchema.shape

/** The one name that texts are signed for: people open it, and it must lead here. */
export const address = defineSection({
  name: 'address',
  schema: z.strictObject({ origin }),
  fields: ['origin'],
  follows: [],
  checks: [
    {
      name: 'origin-form',
      pointer: '/origin',
      async run(value) {
        const url = new URL(value.origin)
        if (url.origin !== value.origin.replace(/\/$/, '')) {
          throw new AppError({
            code: 'config-invalid',
            detail: `${value.origin} has more than a name and a port.`,
            hint: `Use ${url.origin}.`,
          })
        }
        const local = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
        if (url.protocol === 'http:' && !local) {
          throw new AppError({
            code: 'config-invalid',
            detail: 'Wallets answer only to pages that came over https.',
            hint: `Use https://${url.host}.`,
          })
        }
        return {}
      },
    },
    {
      name: 'origin-leads-here',
      pointer: '/origin',
      applies: (value) => !['localhost', '127.0.0.1', '[::1]'].includes(new URL(value.origin).hostname),
      async run(value) {
        const name = new URL(value.origin).hostname.replaceAll(/[[\]]/g, '')
        const found = await lookup(name, { all: true }).catch(() => [])
        if (found.length === 0) {
          return { warning: `${name} leads nowhere yet. Make its record point to this host before you open the storefront.` }
        }
        const own = new Set(Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.address)))
        const addresses = found.map((one) => one.address)
        // behind an address translation the public address is none of ours, and that is well
        return addresses.some((one) => own.has(one))
          ? { values: { addresses: addresses.join(', ') } }
          : { warning: `${name} leads to ${addresses.join(', ')}, which is no address of this machine itself.` }
      },
    },
  ],
})
