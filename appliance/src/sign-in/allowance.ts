import type { Clock } from '../clock/clock.ts'

/** How often one may ask. */
export interface Allowance {
  /** Seconds to wait, or null if it is allowed now (and counted). */
  take(name: string): number | null
}

/** A bucket per name, in memory: `burst` at once, `perSecond` over time. Names that are full again are forgotten. */
export function createAllowance(
  clock: Pick<Clock, 'monotonicMs'>,
  { burst, perSecond }: { burst: number; perSecond: number },
): Allowance {
  const buckets = new Map<string, { left: number; atMs: number }>()
  let sweptMs = 0

  function sweep(now: number): void {
    if (now - sweptMs < 60_000) return
    sweptMs = now
    for (const [name, b] of buckets) if (b.left + ((now - b.atMs) / 1000) * perSecond >= burst) buckets.delete(name)
  }

  return {
    take(name) {
      const now = clock.monotonicMs()
      sweep(now)
      const bucket = buckets.get(name) ?? { left: burst, atMs: now }
      const left = Math.min(burst, bucket.left + ((now - bucket.atMs) / 1000) * perSecond)
      buckets.set(name, { left: left >= 1 ? left - 1 : left, atMs: now })
      return left >= 1 ? null : Math.ceil((1 - left) / perSecond)
    },
  }
}

/** How many may be open at once per name. */
export interface Slots {
  /** What gives the slot back (once), or undefined if all are taken. */
  enter(name: string): (() => void) | undefined
}

export function createSlots(limit: number): Slots {
  const open = new Map<string, number>()
  return {
    enter(name) {
      const count = open.get(name) ?? 0
      if (count >= limit) return undefined
      open.set(name, count + 1)
      let mine = true
      return () => {
        if (!mine) return
        mine = false
        const now = (open.get(name) ?? 1) - 1
        if (now === 0) open.delete(name)
        else open.set(name, now)
      }
    },
  }
}
