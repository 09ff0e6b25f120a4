import type { UnixSeconds } from '../clock/clock.ts'
import { nextAfter } from '../config/cron-schedule.ts'

/** What is known of the backups so far. Times in Unix seconds. */
export interface BackupFacts {
  /** The newest one that was read back and still lies in its folder. */
  lastGood: { createdAt: UnixSeconds; digest: string } | undefined
  /** The last try, where it failed. */
  failedAt: UnixSeconds | undefined
  /** Word for secrets and configuration as they are now (`digestOf`). */
  digest: string
}

/** Seconds until a failed backup is tried again. */
export const retrySeconds = 600

/** Why a backup is due at `now`, or undefined. Pure: asked again and again, so a missed moment costs time, never a backup. */
export function dueBecause(facts: BackupFacts, schedule: string, now: UnixSeconds): 'first' | 'secrets' | 'schedule' | undefined {
  const { lastGood, failedAt, digest } = facts
  // a clock that was set back must not silence the next try
  if (failedAt !== undefined && Math.abs(now - failedAt) < retrySeconds) return undefined
  if (lastGood === undefined) return 'first'
  if (lastGood.digest !== digest) return 'secrets'
  return lastGood.createdAt > now || nextAfter(schedule, lastGood.createdAt) <= now ? 'schedule' : undefined
}
