import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { PublicAddress } from '../../network/broker/vm-names.ts'
import type { ApiServer } from '../app.ts'
import { holdingFor, type Holding } from '../holdings.ts'
import { nameOf } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import { nameBodySchema, networkSchema, publicAddressesSchema } from '../schemas/public-ipv6.ts'
import { vmIdSchema } from '../schemas/values.ts'

/** GET /v1/vms/{vmId}/addresses, POST /v1/vms/{vmId}/name, GET /v1/network. */
export function registerPublicIpv6(app: ApiServer, ports: ApiPorts): void {
  const params = z.strictObject({ vmId: vmIdSchema })
  const keyOf = ({ contract, subscription }: Holding) => ({
    installation: contract.latest.installation,
    tokenId: subscription.tokenId,
  })
  const addressesOf = (holding: Holding): PublicAddress[] => ports.publicIpv6?.()?.addressesOf(keyOf(holding)) ?? []

  app.get(
    '/v1/vms/:vmId/addresses',
    { config: { access: 'signed-in' }, schema: { params, response: { 200: publicAddressesSchema } } },
    ({ caller, params: { vmId } }) => ({ vmId, addresses: addressesOf(holdingFor(caller, vmId, ports)) }),
  )

  app.post(
    '/v1/vms/:vmId/name',
    {
      config: { access: 'signed-in', acts: 'key' },
      schema: { params, body: nameBodySchema, response: { 200: publicAddressesSchema } },
    },
    async ({ caller, params: { vmId }, body: { label } }) => {
      const holding = holdingFor(caller, vmId, ports)
      const holder = holding.subscription.holder.toLowerCase()
      if (caller.kind !== 'wallet' || caller.address !== holder) {
        throw new AppError({ code: 'not-allowed', detail: 'Only the holder of the access pass can decide this.' })
      }
      const served = ports.publicIpv6?.()
      if (served === undefined) {
        throw new AppError({
          code: 'not-supported',
          detail: 'This host has no broker, so nobody serves names of its VMs.',
          hint: 'Point a name of your own at the address of the VM.',
        })
      }
      await served.setName(keyOf(holding), label)
      await ports.store.audit.append({
        who: nameOf(caller),
        what: 'vm name',
        target: vmId,
        result: label.toLowerCase(),
        transactionHash: null,
      })
      return { vmId, addresses: addressesOf(holding) }
    },
  )

  app.get('/v1/network', { config: { access: 'operator' }, schema: { response: { 200: networkSchema } } }, () => {
    const served = ports.publicIpv6?.()
    const prefix = ports.host.ipv6Prefix ?? null
    return {
      mode: served !== undefined ? ('broker' as const) : prefix === null ? ('none' as const) : ('manual' as const),
      prefix,
      tunnels: (served?.client.tunnels() ?? []).map(({ tunnel: { grant, latencyMs }, state }) => ({
        broker: grant.broker.id,
        prefix: grant.prefix,
        zone: grant.zone,
        state,
        latencyMs: latencyMs ?? null,
        until: grant.until,
        graceUntil: grant.graceUntil,
      })),
      troubles: [...(served?.troubles() ?? [])],
    }
  })
}
