import { canonicalAddress, overlap, parseCidr, specialRangeOf, type Cidr, type Endpoint } from 'wireguard-ts/address'
import type { PresharedKey, PublicKey } from 'wireguard-ts/key'
import type { UnixSeconds } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'

/** A broker as the registry or the answer file names it. */
export interface BrokerName {
  /** Chain id, registry and number; or `file:` and a name. */
  id: string
  /** What it says it may hand out; a grant outside it is somebody else's. */
  pool: Cidr
}

/** What a broker granted to this host. */
export interface Grant {
  broker: BrokerName
  prefix: Cidr
  publicKey: PublicKey
  presharedKey?: PresharedKey
  /** A name or an address; looked up when it is used, by us and not by the tunnel. */
  endpoint: Endpoint
  /** The broker inside the tunnel: what is pinged. */
  gateway: string
  /** Bytes inside the tunnel. */
  mtu: number
  /** Zone of the names of this host's VMs; empty: none. */
  zone: string
  from: UnixSeconds
  until: UnixSeconds
  graceUntil: UnixSeconds
  /** The broker's clock when it answered. */
  saidAt: UnixSeconds
}

/** What a grant is held against. */
export interface GrantFacts {
  now: UnixSeconds
  /** Networks this host is in, or routes elsewhere: its uplinks, the guests' nets, ranges the operator opened. */
  ownNetworks: readonly Cidr[]
  /** Prefixes of other leases that stand. */
  leased: readonly Cidr[]
  /** Addresses of a name; must end by itself within a few seconds. */
  lookUp(name: string): Promise<readonly string[]>
  /** For networks in namespaces only: a private endpoint is one then. */
  allowPrivateEndpoint?: boolean
}

/** Clocks further apart than this cannot agree on the end of a lease. */
export const clockToleranceSeconds = 600

/**
 * Holds a broker's answer against this host, before anything is changed. Returns the endpoint's address. Throws AppError
 * `broker-offer-refused` (or `broker-clock-off`) with what was seen and what to do.
 */
export async function checkGrant(grant: Grant, facts: GrantFacts): Promise<Endpoint> {
  const { prefix, broker, gateway, mtu, from, until, graceUntil, saidAt } = grant
  const length = Number(prefix.slice(prefix.indexOf('/') + 1))
  const special = specialRangeOf(prefix)
  if (!prefix.includes(':') || length < 32 || length > 124)
    throw refusal(`It granted ${prefix}, which is no IPv6 prefix for VMs.`)
  if (special !== undefined) throw refusal(`It granted ${prefix}, a range that is nobody’s on the Internet (${special}).`)
  if (!overlap(broker.pool, prefix) || length < Number(broker.pool.slice(broker.pool.indexOf('/') + 1))) {
    throw refusal(`It granted ${prefix}, which is not in its pool ${broker.pool}: it is somebody else’s.`)
  }
  const clash = [...facts.ownNetworks, ...facts.leased].find((network) => overlap(network, prefix))
  if (clash !== undefined) throw refusal(`It granted ${prefix}, which overlaps ${clash} that this host uses already.`)
  const inside = parseCidr(gateway)
  if (!overlap(broker.pool, inside) || overlap(prefix, inside)) {
    throw refusal(`It names ${gateway} as its own address, which is not in its pool beside your prefix.`)
  }
  if (!(Number.isInteger(mtu) && mtu >= 1280 && mtu <= 1500)) {
    throw refusal(`It asks for an MTU of ${mtu}.`, 'IPv6 needs 1280 to 1500 bytes; tell its operator.')
  }
  if (Math.abs(saidAt - facts.now) > clockToleranceSeconds) {
    throw new AppError({
      code: 'broker-clock-off',
      detail: `The broker’s clock says ${dateOf(saidAt)}, this host’s ${dateOf(facts.now)}.`,
    })
  }
  if (!(from < until && until <= graceUntil && until > facts.now)) {
    throw refusal(`Its lease runs from ${dateOf(from)} to ${dateOf(until)}, which is over or no time at all.`)
  }
  return await endpointOf(grant.endpoint, facts)
}

/** The address behind an endpoint: public, and in the Internet's own time. Throws `broker-offer-refused`. */
export async function endpointOf(
  { host, port }: Endpoint,
  facts: Pick<GrantFacts, 'lookUp' | 'allowPrivateEndpoint'>,
): Promise<Endpoint> {
  const literal = addressOrNothing(host)
  const addresses = literal !== undefined ? [literal] : await facts.lookUp(host).catch(() => [])
  const [first] = addresses
  if (first === undefined) {
    throw refusal(`Its endpoint ${host} has no address yet.`, 'Wait until the name is published, or choose another broker.')
  }
  // one private address among public ones is a way into the local network: none is taken then
  for (const address of addresses) {
    const range = specialRangeOf(parseCidr(address))
    if (range !== undefined && facts.allowPrivateEndpoint !== true) {
      throw refusal(`Its endpoint ${host} is at ${address}, which is ${range} and no place on the Internet.`)
    }
  }
  return { host: canonicalAddress(first), port }
}

function addressOrNothing(host: string): string | undefined {
  try {
    return canonicalAddress(host)
  } catch {
    return undefined
  }
}

function dateOf(seconds: UnixSeconds): string {
  return Number.isSafeInteger(seconds) && Math.abs(seconds) < 8e12 ? new Date(seconds * 1000).toISOString() : String(seconds)
}

function refusal(detail: string, hint?: string): AppError {
  return new AppError({ code: 'broker-offer-refused', detail, ...(hint !== undefined && { hint }) })
}
