import type { UnixSeconds } from '../clock/clock.ts'
import type { Database } from './database.ts'

/** An issue that stands now. Its text lies in `health/`; here is only that and since when. */
export interface StoredIssue {
  code: string
  /** What it is about: a vmId, `host`, a storage. */
  subject: string
  /** The value concerned, in words. */
  detail: string
  since: UnixSeconds
  acknowledged: boolean
}

export interface IssueRepository {
  /** Raises it, or renews its detail; `since` stays at the first time. */
  raise(code: string, subject: string, detail: string): Promise<void>
  /** Clears it; nothing if it does not stand. */
  clear(code: string, subject: string): Promise<void>
  acknowledge(code: string, subject: string): Promise<boolean>
  /** Oldest first. */
  list(): Promise<StoredIssue[]>
}

export function createIssues(db: Database): IssueRepository {
  return {
    async raise(code, subject, detail) {
      await db.queries.issue.upsert({
        where: { code_subject: { code, subject } },
        create: { code, subject, detail, since: BigInt(db.clock.now()) },
        update: { detail },
      })
    },
    async clear(code, subject) {
      await db.queries.issue.deleteMany({ where: { code, subject } })
    },
    async acknowledge(code, subject) {
      return (await db.queries.issue.updateMany({ where: { code, subject }, data: { acknowledged: true } })).count > 0
    },
    async list() {
      const rows = await db.queries.issue.findMany({ orderBy: [{ since: 'asc' }, { code: 'asc' }, { subject: 'asc' }] })
      return rows.map((row) => ({ ...row, since: Number(row.since) }))
    },
  }
}
