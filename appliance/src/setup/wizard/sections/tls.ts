import { isIP } from 'node:net'
import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { defineSection, type CheckPorts } from '../section.ts'

const originOf = (ports: CheckPorts): URL | undefined =>
  ports.known.origin === undefined ? undefined : new URL(ports.known.origin)

/** Who vouches for the public address. */
export const tls = defineSection({
  name: 'tls',
  schema: z.strictObject({ tls: configSchema.shape.tls }),
  fields: ['tls'],
  asked: ({ mode }) => mode === 'installed',
  follows: ['address'],
  checks: [
    {
      name: 'tls-name',
      pointer: '/tls/kind',
      async run({ tls: answer }, ports) {
        const origin = originOf(ports)
        if (origin === undefined) return {}
        const name = origin.hostname.replaceAll(/[[\]]/g, '')
        if (answer.kind === 'acme' && (isIP(name) !== 0 || !name.includes('.') || /\.(local|lan|internal|home)$/.test(name))) {
          throw new AppError({
            code: 'config-invalid',
            detail: `${name} is no name of the public Internet; no public authority vouches for it.`,
            hint: 'Give the host a public name on the page "Address", or choose the authority of this host.',
          })
        }
        if (answer.kind === 'first-boot') {
          return { warning: 'Browsers warn everybody of this certificate. It is for trying out, not for a storefront.' }
        }
        return { values: { name } }
      },
    },
    {
      name: 'tls-directory',
      pointer: '/tls/directory',
      applies: ({ tls: answer }) => answer.kind === 'acme',
      async run({ tls: answer }, ports) {
        if (answer.kind !== 'acme' || ports.acmeDirectory === undefined) return {}
        const { terms } = await ports.acmeDirectory(answer, ports.signal)
        return { values: { terms: terms ?? '' } }
      },
    },
    {
      name: 'tls-port-80',
      pointer: '/tls/kind',
      applies: ({ tls: answer }) => answer.kind === 'acme' && answer.proof === 'http',
      async run(_, ports) {
        const origin = originOf(ports)
        if (origin === undefined || ports.proveName === undefined) return {}
        return (await ports.proveName(origin.hostname, ports.signal))
          ? { values: { name: origin.hostname } }
          : {
              warning: `http://${origin.hostname}/.well-known/acme-challenge/ did not lead back here when this machine asked itself. The authority must reach it on port 80.`,
            }
      },
    },
  ],
})
