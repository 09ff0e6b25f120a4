import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { defineSection, type CheckPorts } from '../section.ts'

async function view(ports: CheckPorts, address: string, name: string): Promise<unknown> {
  const url = ports.known.chain?.rpcUrls[0]
  if (url === undefined) return undefined
  const data = subscriptionsInterface.encodeFunctionData(name)
  const answer = await ports.rpc(url, 'eth_call', [{ to: address, data }, 'latest'])
  try {
    return subscriptionsInterface.decodeFunctionResult(name, z.string().parse(answer))[0] as unknown
  } catch (cause) {
    throw new AppError({
      code: 'contract-missing',
      detail: `What is at ${address} on this network is no contract of Freehold.`,
      hint: 'Take the address from the former configuration, or from the transaction that deployed it.',
      cause,
    })
  }
}

/**
 * A host comes back, on this machine or another: its contract is taken instead of a new one. Subscriptions, passes and money are
 * on chain; the VMs are where their disks are; sign-in goes on where the former secrets lie in their folder.
 */
export const existing = defineSection({
  name: 'existing',
  schema: z.strictObject({ contracts: configSchema.shape.contracts }),
  fields: ['contracts'],
  // a new host has none: nobody has to say so
  preset: { contracts: [] },
  follows: ['chain'],
  checks: [
    {
      name: 'existing-contract',
      pointer: '/contracts/0/address',
      applies: ({ contracts }) => contracts.length > 0,
      async run({ contracts }, ports) {
        let subscriptions = 0
        for (const { address } of contracts) {
          const next = await view(ports, address, 'nextTokenId')
          if (typeof next === 'bigint') subscriptions += Number(next) - 1
        }
        return { values: { subscriptions } }
      },
    },
    {
      name: 'existing-roles',
      pointer: '/contracts/0/address',
      applies: ({ contracts }) => contracts.length > 0,
      async run({ contracts }, ports) {
        const address = contracts[0]?.address ?? ''
        const [owner, provisioner] = [
          String(await view(ports, address, 'owner')),
          String(await view(ports, address, 'provisioner')),
        ]
        const own = (await ports.ownProvisioner?.()) ?? null
        if (own?.toLowerCase() !== provisioner.toLowerCase()) {
          return {
            values: { owner },
            warning: `The contract names ${provisioner} as provisioner; its key is not on this host. Setup makes a new one and names it; the owner, ${owner}, signs setProvisioner for it. Until then the former host alone acts.`,
          }
        }
        return { values: { owner } }
      },
    },
    {
      name: 'existing-secrets',
      pointer: '/contracts',
      applies: ({ contracts }) => contracts.length > 0,
      async run(_, ports) {
        const missing = (await ports.missingSecrets?.()) ?? []
        if (missing.length === 0) return {}
        return {
          warning: `Not on this host: ${missing.join(', ')}. New ones are made; guests of the former host then take no sign-in by signature until their holders reinstall them. Their consoles and their own authorized_keys go on. To keep them, copy these files from the former host or your copy of it before you confirm the setup.`,
        }
      },
    },
  ],
})
