import { AppError } from '../../errors/app-error.ts'
import { needOf } from '../../vms/room.ts'
import type { ApiServer } from '../app.ts'
import { deskOf } from '../desk.ts'
import { nameOf } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import { hostSchema, nextKeySchema } from '../schemas/operator.ts'
import { z } from 'zod'

/** GET /v1/host and POST /v1/host/provisioner-key: the machine, its keys, and what fits. For the operator. */
export function registerHost(app: ApiServer, ports: ApiPorts): void {
  app.get('/v1/host', { config: { access: 'operator' }, schema: { response: { 200: hostSchema } } }, async () => {
    const desk = deskOf(ports)
    const facts = ports.facts()
    const [selling] = facts.contracts
    if (selling === undefined) throw new AppError({ code: 'chain-stale', detail: 'The network has not been read yet.' })
    const { latest } = selling
    const [room, next] = await Promise.all([desk.capacity().catch(() => null), desk.nextProvisioner()])
    return {
      contract: latest.contract,
      contracts: facts.contracts.map(({ latest: { installation, contract, provisioner } }) => ({
        installation,
        address: contract,
        provisioner,
      })),
      owner: latest.owner,
      treasury: latest.treasury,
      provisioner: desk.provisioner,
      nextProvisioner: next,
      buyingPaused: latest.buyingPaused,
      capacity: room && room.capacity,
      room: latest.plans.map((plan) => {
        if (room === null || plan.kind !== 'vm') return { planId: plan.planId, fits: null }
        const { diskBytes, memoryMiB } = needOf(plan, room.snapshots)
        const { diskUnpromisedBytes, memoryUnpromisedMiB } = room.capacity
        const fits = Math.floor(Math.min(diskUnpromisedBytes / diskBytes, memoryUnpromisedMiB / memoryMiB))
        return { planId: plan.planId, fits: Math.max(0, fits) }
      }),
      settings: [...desk.settings],
    }
  })

  app.post(
    '/v1/host/provisioner-key',
    { config: { access: 'operator', acts: 'key' }, schema: { body: z.strictObject({}), response: { 200: nextKeySchema } } },
    async ({ caller }) => {
      const address = await deskOf(ports).makeNextProvisioner()
      await ports.store.audit.append({
        who: nameOf(caller),
        what: 'provisioner key',
        target: 'host',
        result: `the next one is ${address}`,
        transactionHash: null,
      })
      return { address }
    },
  )
}
