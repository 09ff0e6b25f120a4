import type { UnixSeconds } from '../clock/clock.ts'
import { isDuplicate, type Database } from './database.ts'

export interface DestroyEntry {
  /** The mark of the VM that was destroyed. */
  mark: string
  /** The finalized word of the chain that allowed it: `end`, `cancel`, `reject`, `refund`; `untold`: found to be gone. */
  reason: string
  at: UnixSeconds
}

/** A moment by both clocks: our own, which anybody may set, and that of the finalized block. */
export interface Moment {
  own: UnixSeconds
  finalized: UnixSeconds
}

/** The journal of destroys, written before each: the bound on destroys per day counts it, over restarts too. */
export interface DestroyRepository {
  /** A second record of the same mark changes nothing: a resumed destroy counts once. */
  record(mark: string, reason: string, finalizedTime: UnixSeconds): Promise<void>
  /** How many since `since`, by either of its clocks. */
  countSince(since: Moment): Promise<number>
  /** What lies later than `now` by one of its clocks was written by a clock that was set: it is entered as of now. */
  notLaterThan(now: Moment): Promise<void>
  has(mark: string): Promise<boolean>
  /** The marks of all destroys there ever were. */
  marks(): Promise<string[]>
  recent(limit: number): Promise<DestroyEntry[]>
}

export function createDestroys(db: Database): DestroyRepository {
  return {
    async record(mark, reason, finalizedTime) {
      try {
        const data = { mark, reason, at: BigInt(db.clock.now()), finalizedTime: BigInt(finalizedTime) }
        await db.queries.destroyRecord.create({ data })
      } catch (error) {
        if (!isDuplicate(error)) throw error
      }
    },
    countSince({ own, finalized }) {
      const later = [{ at: { gte: BigInt(own) } }, { finalizedTime: { gte: BigInt(finalized) } }]
      return db.queries.destroyRecord.count({ where: { OR: later } })
    },
    async notLaterThan({ own, finalized }) {
      const [at, finalizedTime] = [BigInt(own), BigInt(finalized)]
      await db.queries.destroyRecord.updateMany({ where: { at: { gt: at } }, data: { at } })
      await db.queries.destroyRecord.updateMany({ where: { finalizedTime: { gt: finalizedTime } }, data: { finalizedTime } })
    },
    async has(mark) {
      return (await db.queries.destroyRecord.count({ where: { mark } })) > 0
    },
    async marks() {
      return (await db.queries.destroyRecord.findMany({ select: { mark: true } })).map(({ mark }) => mark)
    },
    async recent(limit) {
      const rows = await db.queries.destroyRecord.findMany({ orderBy: { seq: 'desc' }, take: limit })
      return rows.map(({ mark, reason, at }) => ({ mark, reason, at: Number(at) }))
    },
  }
}
