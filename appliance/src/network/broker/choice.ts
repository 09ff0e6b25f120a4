import type { BrokerName } from './grant.ts'

/** What is known of a broker before asking it. */
export interface BrokerOffer {
  name: BrokerName
  active: boolean
  /** 0 available, 1 limited, 2 closed: as the registry says. */
  capacity: 0 | 1 | 2
  region: string
  /** Wei a day; 0n: free. */
  pricePerDay: bigint
  termSeconds: number
  /** Round trip of its public address; undefined: it did not answer. */
  latencyMs: number | undefined
}

/** What the operator wants. */
export interface BrokerPolicy {
  /** How many at once, 1 to 3. */
  count: number
  maxPricePerDay: bigint
  minTermSeconds: number
  /** Empty: any. */
  regions: readonly string[]
  /** Names that go first, in this order; the operator's own choice. */
  pinned: readonly string[]
}

export interface Choice {
  /** Best first, at most `count`. */
  chosen: readonly BrokerOffer[]
  /** Why the others were not taken, for the setup page. */
  refused: readonly { offer: BrokerOffer; reason: string }[]
}

/** Latencies nearer than this are alike: the price decides, and nobody moves for a hiccup. */
const alikeMs = 20

/**
 * Brokers by latency and terms. One that is in use stays unless another is nearer by more than half and `alikeMs`: a change of
 * broker renumbers every VM. Pure.
 */
export function chooseBrokers(offers: readonly BrokerOffer[], policy: BrokerPolicy, inUse: readonly string[]): Choice {
  const refused: { offer: BrokerOffer; reason: string }[] = []
  const fits = offers.filter((offer) => {
    const reason = reasonAgainst(offer, policy, inUse)
    if (reason !== undefined) refused.push({ offer, reason })
    return reason === undefined
  })
  const rank = (offer: BrokerOffer): number => {
    const pinned = policy.pinned.indexOf(offer.name.id)
    return pinned === -1 ? policy.pinned.length : pinned
  }
  const distance = ({ latencyMs = Infinity, name }: BrokerOffer): number => {
    const ms = inUse.includes(name.id) ? Math.min(latencyMs / 2, Math.max(0, latencyMs - alikeMs)) : latencyMs
    return Number.isFinite(ms) ? Math.floor(ms / alikeMs) : Infinity
  }
  const less = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1)
  const sorted = fits.toSorted(
    (a, b) =>
      less(rank(a), rank(b)) ||
      less(distance(a), distance(b)) ||
      less(Number(inUse.includes(b.name.id)), Number(inUse.includes(a.name.id))) ||
      (a.pricePerDay === b.pricePerDay ? 0 : a.pricePerDay < b.pricePerDay ? -1 : 1) ||
      a.capacity - b.capacity ||
      (a.name.id < b.name.id ? -1 : 1),
  )
  return { chosen: sorted.slice(0, policy.count), refused }
}

function reasonAgainst(offer: BrokerOffer, policy: BrokerPolicy, inUse: readonly string[]): string | undefined {
  const { regions, maxPricePerDay, minTermSeconds } = policy
  // who has a lease keeps it: a broker that is closed to others, or slow to answer today, is no reason to renumber
  if (inUse.includes(offer.name.id)) return undefined
  if (!offer.active) return 'It is not active.'
  if (offer.capacity === 2) return 'It takes nobody new.'
  if (regions.length > 0 && !regions.includes(offer.region)) return `It is in ${offer.region || 'no region'}.`
  if (offer.pricePerDay > maxPricePerDay) return `It asks ${offer.pricePerDay} wei a day; your limit is ${maxPricePerDay}.`
  if (offer.termSeconds < minTermSeconds) return `Its leases end after ${offer.termSeconds} seconds; you want ${minTermSeconds}.`
  if (offer.latencyMs === undefined) return 'It does not answer.'
  return undefined
}
