import type { UnixSeconds } from '../../clock/clock.ts'

let last = 0

/**
 * A number for a request, higher than in every one before: milliseconds since 1970 and a count, shared by all ways of this process,
 * since a broker counts per installation and not per way.
 */
export function nextSequence(now: UnixSeconds): number {
  last = Math.max(last + 1, now * 1000)
  return last
}
