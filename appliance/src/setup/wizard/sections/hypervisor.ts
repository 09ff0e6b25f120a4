import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { defineSection } from '../section.ts'

const gib = 2 ** 30

/** What runs the VMs. */
export const hypervisor = defineSection({
  name: 'hypervisor',
  schema: z.strictObject({ hypervisor: configSchema.shape.hypervisor }),
  fields: ['hypervisor'],
  follows: [],
  checks: [
    {
      name: 'hypervisor-answers',
      pointer: '/hypervisor',
      async run(value, ports) {
        const driver = await ports.openHypervisor(value)
        try {
          const { name, acceleration } = await driver.capabilities()
          return {
            values: { name, acceleration },
            ...(acceleration === 'tcg' && {
              warning:
                'This machine emulates processors in software: VMs run, and are slow. Switch virtualization on in its firmware.',
            }),
          }
        } finally {
          await (driver as { close?(): Promise<void> }).close?.()
        }
      },
    },
    {
      name: 'storage-apart',
      pointer: '/hypervisor/folder',
      applies: (value) => value.hypervisor.kind === 'libvirt',
      async run({ hypervisor: chosen }, ports) {
        if (chosen.kind !== 'libvirt' || (await ports.sharesDiskWithState?.(chosen.folder)) !== true) return {}
        const detail = 'The disks would lie on the disk of the host’s own state: a full pool would stop the host itself.'
        if (ports.base?.mode === 'embedded') return { warning: detail }
        throw new AppError({ code: 'storage-full', detail, hint: 'Choose a folder on another disk or partition.' })
      },
    },
    {
      name: 'hypervisor-room',
      pointer: '/hypervisor',
      async run(value, ports) {
        const driver = await ports.openHypervisor(value)
        try {
          const capacity = await driver.capacity()
          const share = capacity.diskFreeBytes / Math.max(1, capacity.diskTotalBytes)
          return {
            values: {
              diskGiB: Math.floor(capacity.diskFreeBytes / gib),
              memoryMiB: capacity.memoryTotalMiB,
              vcpus: capacity.vcpus,
            },
            ...(share < 0.1 && { warning: 'Less than 10 % of the storage is free: no VM would be made.' }),
          }
        } finally {
          await (driver as { close?(): Promise<void> }).close?.()
        }
      },
    },
  ],
})
