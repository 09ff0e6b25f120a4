import type { UnixSeconds } from '../../clock/clock.ts'

/** How long things last, seconds. The operator's to set. */
export interface Terms {
  termSeconds: number
  graceSeconds: number
  quarantineSeconds: number
  /** A lease that never saw a handshake is released after this. */
  firstHandshakeSeconds: number
  /** Nobody holds a lease further ahead than this. */
  aheadSeconds: number
}

const day = 86_400

export const defaultTerms: Terms = {
  termSeconds: 30 * day,
  graceSeconds: 7 * day,
  quarantineSeconds: 30 * day,
  firstHandshakeSeconds: 7 * day,
  aheadSeconds: 366 * day,
}

/** Only from here on does an unpaid renewal move the end: before, the answer is the lease as it stands. */
export function renewableFrom(until: UnixSeconds, terms: Terms): UnixSeconds {
  return until - Math.floor(terms.termSeconds / 2)
}

/** The end of a term that is granted now. A paid term is added to what is left; a free one begins now. */
export function nextUntil(now: UnixSeconds, until: UnixSeconds, paid: boolean, terms: Terms): UnixSeconds {
  return (paid ? Math.max(now, until) : now) + terms.termSeconds
}
