import type { Cidr } from 'wireguard-ts/address'
import type { PublicKey } from 'wireguard-ts/key'
import type { UnixSeconds } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { checkWanted, lengthOf, parseNetwork, type Pool } from '../leases/pool.ts'
import type { LeaseRecord } from '../leases/record.ts'
import { nextUntil, renewableFrom, type Terms } from '../leases/terms.ts'
import type { Identity } from '../types.ts'
import type { BrokerRequest } from './request.ts'

/** What is known when a request is decided. All of one moment. */
export interface Facts {
  now: UnixSeconds
  identity: Identity
  /** Whether the installation is listed or has paid for this request. */
  admitted: boolean
  paid: boolean
  /** The live lease of the installation. */
  live: LeaseRecord | undefined
  /** Its newest ended lease, whose prefix it may have again. */
  former: LeaseRecord | undefined
  /** Who holds the requested key, live or in quarantine. */
  keyHolder: Identity | undefined
  /** Who holds a network, live or in quarantine; undefined = nobody. */
  holderOf(network: Cidr): Identity | undefined
  /** A free network of a length, or undefined. Asked only when one is needed. */
  pick(length: number): Cidr | undefined
}

/** What is to be done about a request that is not refused. */
export type Decision =
  | { kind: 'grant'; prefix: Cidr; until: UnixSeconds; graceUntil: UnixSeconds }
  /** The lease stays; its key, its end or nothing of it changes. */
  | { kind: 'keep'; lease: LeaseRecord; key: PublicKey | undefined; until: UnixSeconds; graceUntil: UnixSeconds }
  | { kind: 'release'; lease: LeaseRecord }
  | { kind: 'tell'; lease: LeaseRecord }

/**
 * The one rule for both paths. Pure. Throws AppError: `broker-not-admitted`, `broker-key-taken`, `broker-prefix-taken`,
 * `broker-other-size`, `broker-pool-full`, `broker-no-lease`, `broker-too-far-ahead`, `bad-input`.
 */
export function decide(request: BrokerRequest, facts: Facts, pool: Pool, terms: Terms): Decision {
  const { live, now, identity } = facts
  switch (request.verb) {
    case 'status':
    case 'release':
      // who holds a lease may always look at it and give it back, also after a listing has ended
      if (live === undefined) throw noLease(identity)
      return { kind: request.verb === 'status' ? 'tell' : 'release', lease: live }
    case 'renew':
    case 'request': {
      if (!facts.admitted) {
        throw new AppError({
          code: 'broker-not-admitted',
          detail: `The installation ${identity} is not listed and has not paid.`,
        })
      }
      if (facts.keyHolder !== undefined && facts.keyHolder !== identity) {
        throw new AppError({
          code: 'broker-key-taken',
          detail: 'The WireGuard key is in use by another installation, or was until lately.',
        })
      }
      const wanted = request.prefix === undefined ? undefined : parseNetwork(request.prefix, '/prefix')
      if (wanted !== undefined) checkWanted(wanted, pool)
      const length = wanted === undefined ? (request.prefixLength ?? undefined) : lengthOf(wanted)
      if (length !== undefined && !pool.lengths.includes(length)) {
        const detail = `/${length} is not offered; /${pool.lengths.join(' and /')} are`
        throw new AppError({
          code: 'bad-input',
          detail,
          hint: 'Ask for one of these.',
          fields: [{ pointer: '/prefixLength', detail }],
        })
      }
      if (live !== undefined) return keep(request, live, wanted, length, facts, terms)
      if (request.verb === 'renew') throw noLease(identity)
      const until = nextUntil(now, now, facts.paid, terms)
      const prefix = freshPrefix(wanted, length ?? pool.lengths[0], facts)
      if (prefix === undefined) {
        throw new AppError({ code: 'broker-pool-full', detail: `No /${length ?? pool.lengths[0]} is free in ${pool.network}.` })
      }
      return { kind: 'grant', prefix, until, graceUntil: until + terms.graceSeconds }
    }
    default: {
      const never: never = request.verb
      throw new TypeError(`unknown verb ${String(never)}`)
    }
  }
}

function keep(
  request: BrokerRequest,
  live: LeaseRecord,
  wanted: Cidr | undefined,
  length: number | undefined,
  { now, paid, holderOf, identity }: Facts,
  terms: Terms,
): Decision {
  if (wanted !== undefined && wanted !== live.prefix) {
    const holder = holderOf(wanted)
    throw holder !== undefined && holder !== identity
      ? prefixTaken(wanted)
      : new AppError({ code: 'broker-other-size', detail: `The installation holds ${live.prefix}, not ${wanted}.` })
  }
  if (length !== undefined && length !== lengthOf(live.prefix)) {
    throw new AppError({ code: 'broker-other-size', detail: `The installation holds ${live.prefix}; it asks for a /${length}.` })
  }
  const key = request.wireguardKey === live.peerKey ? undefined : (request.wireguardKey as PublicKey)
  const due = paid || now >= renewableFrom(live.until, terms)
  const until = due ? Math.max(live.until, nextUntil(now, live.until, paid, terms)) : live.until
  if (until > now + terms.aheadSeconds) {
    throw new AppError({
      code: 'broker-too-far-ahead',
      detail: `The lease would end at ${new Date(until * 1000).toISOString()}, more than ${Math.floor(terms.aheadSeconds / 86_400)} days from now.`,
    })
  }
  const graceUntil = due ? Math.max(live.graceUntil, until + terms.graceSeconds) : live.graceUntil
  return { kind: 'keep', lease: live, key, until, graceUntil }
}

/** What was named, else what was held before, else any. Another's is refused where it was named, and passed over where not. */
function freshPrefix(wanted: Cidr | undefined, length: number, { former, holderOf, pick, identity }: Facts): Cidr | undefined {
  const mine = (network: Cidr): boolean => [undefined, identity].includes(holderOf(network))
  if (wanted !== undefined) {
    if (!mine(wanted)) throw prefixTaken(wanted)
    return wanted
  }
  if (former !== undefined && lengthOf(former.prefix) === length && mine(former.prefix)) return former.prefix
  return pick(length)
}

function prefixTaken(prefix: Cidr): AppError {
  return new AppError({ code: 'broker-prefix-taken', detail: `${prefix} is held by another installation, or was until lately.` })
}

function noLease(identity: Identity): AppError {
  return new AppError({ code: 'broker-no-lease', detail: `The installation ${identity} holds no lease here.` })
}
