import { access, constants, stat } from 'node:fs/promises'
import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { defineSection } from '../section.ts'

/** The guest image: built here, or one that is named by file and hash. */
export const template = defineSection({
  name: 'template',
  schema: z.strictObject({ template: configSchema.shape.template }),
  fields: ['template'],
  follows: ['hypervisor'],
  checks: [
    {
      name: 'template-named',
      pointer: '/template/image',
      applies: ({ template: { image } }) => image !== undefined,
      async run({ template: { image = '', sha256 } }) {
        if (sha256 === undefined) {
          throw new AppError({
            code: 'config-invalid',
            detail: 'An image without its SHA-256 could be any image.',
            hint: 'Add the SHA-256 that its maker published.',
          })
        }
        try {
          await access(image, constants.R_OK)
        } catch (cause) {
          throw new AppError({ code: 'template-missing', detail: 'There is no file of this name that can be read.', cause })
        }
        return { values: { mib: Math.ceil((await stat(image)).size / 2 ** 20) } }
      },
    },
  ],
})
