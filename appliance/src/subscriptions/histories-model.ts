import type { Address, Subscription } from '../chain/subscription.ts'
import { zeroAddress } from '../chain/subscription.ts'
import type { UnixSeconds } from '../clock/clock.ts'

/**
 * The contract's rules of a subscription told a second time, from the design and not from its code, for the test of random
 * histories: what each act does, when it is refused, and whose the money is. Only tests use it.
 */
export interface Terms {
  graceSeconds: number
  activationDeadlineSeconds: number
  minSeconds: number
  maxSeconds: number
}

export type Act =
  | { kind: 'activate' | 'reject' | 'end' | 'refund' | 'cancel' | 'settle' }
  | { kind: 'transfer'; to: Address }
  | { kind: 'extend'; seconds: number }

/** What is compared with the chain at each block. */
export type Facts = Pick<
  Subscription,
  'state' | 'holder' | 'activatedAt' | 'expiresAt' | 'graceEndsAt' | 'activationDeadline' | 'paid' | 'streamFrom' | 'settled'
>

/** Money that is nobody's escrow any more. */
export interface Books {
  collectable: bigint
  credited: Map<Address, bigint>
}

/** ceil(pricePerDay × seconds / 86400), in the token's smallest unit. */
export function priceOf(pricePerDay: bigint, seconds: number): bigint {
  return (pricePerDay * BigInt(seconds) + 86_399n) / 86_400n
}

function earned(s: Facts, at: UnixSeconds): bigint {
  if (at >= s.expiresAt) return s.paid
  return (s.paid * BigInt(at - s.streamFrom)) / BigInt(s.expiresAt - s.streamFrom)
}

/** What the subscription is after `act` in a block of time `now`; undefined if the act is refused. Changes `books`. */
export function apply(
  s: Facts & { seconds: number },
  act: Act,
  by: { who: Address; provisioner: Address; pricePerDay: bigint },
  now: UnixSeconds,
  terms: Terms,
  books: Books,
): (Facts & { seconds: number }) | undefined {
  const book = (upTo: bigint): void => {
    books.collectable += upTo - s.settled
  }
  const ended = (refund: bigint, settled: bigint) => {
    books.credited.set(s.holder, (books.credited.get(s.holder) ?? 0n) + refund)
    return { ...s, state: 'ended' as const, holder: zeroAddress, settled }
  }
  switch (act.kind) {
    case 'activate': {
      if (s.state !== 'pending' || by.who !== by.provisioner || now >= s.activationDeadline) return undefined
      const expiresAt = now + s.seconds
      const graceEndsAt = expiresAt + terms.graceSeconds
      return { ...s, state: 'active', activatedAt: now, streamFrom: now, expiresAt, graceEndsAt }
    }
    case 'reject':
      return s.state === 'pending' && by.who === by.provisioner ? ended(s.paid, 0n) : undefined
    case 'refund':
      return s.state === 'pending' && now >= s.activationDeadline ? ended(s.paid, 0n) : undefined
    case 'end':
      if (s.state !== 'active' || by.who !== by.provisioner || now < s.graceEndsAt) return undefined
      book(s.paid)
      return ended(0n, s.paid)
    case 'cancel': {
      if (s.state !== 'active' || by.who !== s.holder) return undefined
      const used = earned(s, Math.max(now, s.activatedAt + terms.minSeconds))
      book(used)
      return ended(s.paid - used, used)
    }
    case 'settle': {
      if (s.state !== 'active') return undefined
      const settled = earned(s, now)
      book(settled)
      return { ...s, settled }
    }
    case 'transfer':
      return s.state !== 'ended' && by.who === s.holder ? { ...s, holder: act.to } : undefined
    case 'extend': {
      const expiresAt = Math.max(now, s.expiresAt) + act.seconds
      if (s.state !== 'active' || act.seconds < terms.minSeconds || expiresAt > now + terms.maxSeconds) return undefined
      const used = earned(s, now)
      book(used)
      const paid = s.paid - used + priceOf(by.pricePerDay, act.seconds)
      return { ...s, paid, expiresAt, graceEndsAt: expiresAt + terms.graceSeconds, streamFrom: now, settled: 0n }
    }
  }
}
