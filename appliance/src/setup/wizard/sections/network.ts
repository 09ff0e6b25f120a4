import { networkInterfaces } from 'node:os'
import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { overlaps, parseRange } from '../ranges.ts'
import { defineSection } from '../section.ts'

/** The guests' own nets. */
export const network = defineSection({
  name: 'network',
  schema: z.strictObject({ network: configSchema.shape.network }),
  fields: ['network'],
  follows: ['hypervisor'],
  checks: [
    {
      name: 'network-free',
      pointer: '/network/ipv4',
      async run({ network: { ipv4 } }) {
        const wanted = parseRange(`${ipv4.gateway}/${ipv4.prefixLength}`)
        for (const [device, list] of Object.entries(networkInterfaces())) {
          for (const one of list ?? []) {
            // our own bridge has it already on a host that is set up once more
            if (one.cidr === null || one.cidr === undefined || one.internal || device.startsWith('fh')) continue
            const present = parseRange(one.cidr)
            if (wanted !== undefined && present !== undefined && overlaps(wanted, present)) {
              throw new AppError({
                code: 'config-invalid',
                detail: `${ipv4.gateway}/${ipv4.prefixLength} overlaps ${one.cidr}, which is in use on ${device}.`,
                hint: `Choose a range outside ${one.cidr}, such as 10.${100 + (ipv4.prefixLength % 50)}.0.1/16.`,
              })
            }
          }
        }
        return {}
      },
    },
  ],
})
