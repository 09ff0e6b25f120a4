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
      name: 'hypervisor-bridge',
      pointer: '/hypervisor/bridge',
      applies: (value) => value.hypervisor.kind === 'proxmox',
      async run({ hypervisor: chosen }, ports) {
        if (chosen.kind !== 'proxmox' || ports.proxmox === undefined) return {}
        const { nodes } = await ports.proxmox.bridge(chosen)
        return { values: { bridge: chosen.bridge, nodes } }
      },
    },
    {
      name: 'hypervisor-ids',
      pointer: '/hypervisor/vmids',
      applies: (value) => value.hypervisor.kind === 'proxmox',
      async run({ hypervisor: chosen }, ports) {
        if (chosen.kind !== 'proxmox' || ports.proxmox === undefined) return {}
        const { from, to } = chosen.vmids
        const { looked, foreign } = await ports.proxmox.foreignIds(chosen, ports.signal)
        if (foreign.length >= to - from + 1) {
          throw new AppError({
            code: 'capacity-exceeded',
            detail: `No id from ${from} to ${to} is free for a VM of Freehold.`,
            hint: 'Choose another range of ids.',
          })
        }
        if (foreign.length === 0) return { values: { from, to, looked } }
        const named = foreign.slice(0, 5).join(', ') + (foreign.length > 5 ? `, … (${foreign.length})` : '')
        return {
          values: { from, to, looked, foreign: foreign.length },
          warning: `In the range ${from} to ${to} these ids are somebody else’s: ${named}. Freehold leaves their VMs alone and passes over the ids. Move them out of the range, or choose another one.`,
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
          const free = Math.floor(capacity.diskFreeBytes / gib)
          const total = Math.floor(capacity.diskTotalBytes / gib)
          if (capacity.diskFreeBytes <= capacity.diskTotalBytes / 10) {
            throw new AppError({
              code: 'storage-full',
              detail: `${free} of ${total} GiB of the storage are free. With less than 10 % no VM is made.`,
            })
          }
          return {
            values: {
              diskGiB: free,
              memoryMiB: capacity.memoryTotalMiB,
              vcpus: capacity.vcpus,
            },
          }
        } finally {
          await (driver as { close?(): Promise<void> }).close?.()
        }
      },
    },
  ],
})
