import type { Database } from './database.ts'

export interface RateLimitRule {
  /** How many are allowed in one window. */
  limit: number
  windowSeconds: number
}

/** Counters in fixed windows; a restart does not reset them. */
export interface RateLimitRepository {
  /** Counts one. Null if it is allowed, else the seconds until the window ends. */
  hit(key: string, rule: RateLimitRule): Promise<number | null>
  reset(key: string): Promise<void>
  /** Deletes windows that began more than `olderThanSeconds` ago. */
  sweep(olderThanSeconds: number): Promise<number>
}

export function createRateLimits(db: Database): RateLimitRepository {
  return {
    async hit(key, { limit, windowSeconds }) {
      const now = db.clock.now()
      const start = now - (now % windowSeconds)
      // one statement, so that two requests at once are both counted
      const [row] = await db.queries.$queryRaw<{ count: number }[]>`
        INSERT INTO rate_limits (key, windowStart, count) VALUES (${key}, ${BigInt(start)}, 1)
        ON CONFLICT (key) DO UPDATE SET
          count = CASE WHEN windowStart = excluded.windowStart THEN count + 1 ELSE 1 END,
          windowStart = excluded.windowStart
        RETURNING count`
      return (row?.count ?? 0) > limit ? start + windowSeconds - now : null
    },
    async reset(key) {
      await db.queries.rateLimit.deleteMany({ where: { key } })
    },
    async sweep(olderThanSeconds) {
      const before = BigInt(db.clock.now() - olderThanSeconds)
      return (await db.queries.rateLimit.deleteMany({ where: { windowStart: { lt: before } } })).count
    },
  }
}
