import type { UnixSeconds } from '../clock/clock.ts'
import type { Database } from './database.ts'
import { pageBySeq, type Page, type PageQuery } from './page.ts'

/** Who did what to what, and how it ended. Holds no secret. */
export interface AuditRecord {
  /** An address, `host` for the daemon itself, or `guest:<vmId>`. */
  who: string
  what: string
  target: string
  result: string
  transactionHash: string | null
  at: UnixSeconds
}

export interface AuditRepository {
  append(entry: Omit<AuditRecord, 'at'>): Promise<void>
  /** Newest first. */
  list(query?: PageQuery & { target?: string }): Promise<Page<AuditRecord>>
}

export function createAudit(db: Database): AuditRepository {
  return {
    async append(entry) {
      await db.queries.auditEntry.create({ data: { ...entry, at: BigInt(db.clock.now()) } })
    },
    list({ target, ...query } = {}) {
      return pageBySeq(
        query,
        (below, take) =>
          db.queries.auditEntry.findMany({
            where: { seq: { lt: below }, ...(target !== undefined && { target }) },
            orderBy: { seq: 'desc' },
            take,
          }),
        ({ seq: _seq, ...row }) => ({ ...row, at: Number(row.at) }),
      )
    },
  }
}
