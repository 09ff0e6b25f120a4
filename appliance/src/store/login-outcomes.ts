import type { UnixSeconds } from '../clock/clock.ts'
import { isDuplicate, type Database } from './database.ts'
import { pageBySeq, type Page, type PageQuery } from './page.ts'

/** How a login request ended. */
export interface StoredLoginOutcome {
  requestId: string
  act: string
  vmId: string | null
  /** Of the VM that was asked for; null where none was, and in rows older than this column. */
  generation: number | null
  user: string | null
  source: string
  signer: string | null
  outcome: 'approved' | 'denied' | 'expired' | 'used'
  /** Code of the reason where it was denied. */
  reason: string | null
  at: UnixSeconds
}

export interface LoginOutcomeRepository {
  /** One row per request; a later outcome (`approved`, then `used`) takes the place of the former. */
  record(outcome: Omit<StoredLoginOutcome, 'at'>): Promise<void>
  /** How a request ended; undefined if it has not, or never was. */
  get(requestId: string): Promise<StoredLoginOutcome | undefined>
  /** Newest first. */
  list(query?: PageQuery & { vmId?: string }): Promise<Page<StoredLoginOutcome>>
}

export function createLoginOutcomes(db: Database): LoginOutcomeRepository {
  return {
    async record(outcome) {
      const data = { ...outcome, at: BigInt(db.clock.now()) }
      try {
        await db.queries.loginOutcome.create({ data })
      } catch (error) {
        if (!isDuplicate(error)) throw error
        await db.queries.loginOutcome.update({ where: { requestId: outcome.requestId }, data })
      }
    },
    async get(requestId) {
      const row = await db.queries.loginOutcome.findUnique({ where: { requestId } })
      return row === null ? undefined : outcomeOf(row)
    },
    list({ vmId, ...query } = {}) {
      return pageBySeq(
        query,
        (below, take) =>
          db.queries.loginOutcome.findMany({
            where: { seq: { lt: below }, ...(vmId !== undefined && { vmId }) },
            orderBy: { seq: 'desc' },
            take,
          }),
        outcomeOf,
      )
    },
  }
}

function outcomeOf({
  seq: _seq,
  ...row
}: Omit<StoredLoginOutcome, 'at' | 'outcome'> & { seq: number; outcome: string; at: bigint }): StoredLoginOutcome {
  return { ...row, outcome: row.outcome as StoredLoginOutcome['outcome'], at: Number(row.at) }
}
