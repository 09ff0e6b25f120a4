import type { UnixSeconds } from '../clock/clock.ts'
import { isDuplicate, type Database } from './database.ts'

export interface DestroyEntry {
  /** The mark of the VM that was destroyed. */
  mark: string
  /** The finalized word of the chain that allowed it: `end`, `cancel`, `reject`, `refund`. */
  reason: string
  at: UnixSeconds
}

/** The journal of destroys, written before each: the bound on destroys per day counts it, over restarts too. */
export interface DestroyRepository {
  /** A second record of the same mark changes nothing: a resumed destroy counts once. */
  record(mark: string, reason: string): Promise<void>
  /** How many since `since`. */
  countSince(since: UnixSeconds): Promise<number>
  has(mark: string): Promise<boolean>
  recent(limit: number): Promise<DestroyEntry[]>
}

export function createDestroys(db: Database): DestroyRepository {
  return {
    async record(mark, reason) {
      try {
        await db.queries.destroyRecord.create({ data: { mark, reason, at: BigInt(db.clock.now()) } })
      } catch (error) {
        if (!isDuplicate(error)) throw error
      }
    },
    countSince(since) {
      return db.queries.destroyRecord.count({ where: { at: { gte: BigInt(since) } } })
    },
    async has(mark) {
      return (await db.queries.destroyRecord.count({ where: { mark } })) > 0
    },
    async recent(limit) {
      const rows = await db.queries.destroyRecord.findMany({ orderBy: { seq: 'desc' }, take: limit })
      return rows.map(({ mark, reason, at }) => ({ mark, reason, at: Number(at) }))
    },
  }
}
