import { canonicalAddress, parseCidr, parseEndpoint } from 'wireguard-ts/address'
import { parsePresharedKey, parsePublicKey } from 'wireguard-ts/key'
import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { BrokerName, Grant } from './grant.ts'

/** What a broker answers a request with, over HTTP and on chain. What is not named here is not looked at. */
export const brokerAnswerSchema = z.looseObject({
  lease: z.looseObject({
    prefix: z.string(),
    from: z.number(),
    until: z.number(),
    graceUntil: z.number(),
    presharedKey: z.string().optional(),
  }),
  broker: z.looseObject({
    wireguardKey: z.string(),
    endpoint: z.string(),
    address: z.string(),
    mtu: z.number(),
    zone: z.string().optional(),
  }),
})

/** The answer as a grant; whether it can be used is `checkGrant`'s. Throws `broker-offer-refused` for what is no key, address or prefix. */
export function grantOf(name: BrokerName, { lease, broker }: z.output<typeof brokerAnswerSchema>, now: number): Grant {
  try {
    return {
      broker: { id: name.id, pool: name.pool },
      prefix: parseCidr(lease.prefix),
      publicKey: parsePublicKey(broker.wireguardKey),
      ...(lease.presharedKey !== undefined && { presharedKey: parsePresharedKey(lease.presharedKey) }),
      endpoint: parseEndpoint(broker.endpoint),
      gateway: canonicalAddress(broker.address),
      mtu: broker.mtu,
      zone: broker.zone ?? '',
      from: lease.from,
      until: lease.until,
      graceUntil: lease.graceUntil,
      // a broker refuses requests of another time itself (`broker-clock-off`): its answer is of now
      saidAt: now,
    }
  } catch (cause) {
    const detail = `${name.id}: It answered what is no key, address or prefix (${(cause as Error).message.slice(0, 120)}).`
    throw new AppError({ code: 'broker-offer-refused', detail, cause })
  }
}
