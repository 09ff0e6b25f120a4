import { DatabaseSync } from 'node:sqlite'
import type { UnixSeconds } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { migrate } from '../store/migrate.ts'

/** What the restored database is told of its past and of this machine. */
export interface Mending {
  now: UnixSeconds
  /** Settings that are written, as JSON text. */
  put: Readonly<Record<string, string>>
  /** For the audit trail. */
  result: string
}

/** Settings that speak of the former machine: its storage, its draft, its unfinished setup and its folder of backups. */
const ofTheMachine = "key LIKE 'setup %' OR key = 'backups'"

/**
 * Makes the database of a backup one that may be opened here. What was allowed then must not be allowed again, and nothing that
 * was bought or paid since may be taken sooner because of it: logins end, kept answers go, and the 24 hours before `end` begin
 * anew. Throws `backup-newer`, `backup-unreadable`. Twice equals once.
 */
export function mendDatabase(path: string, { now, put, result }: Mending): void {
  const db = new DatabaseSync(path)
  try {
    const [check] = db.prepare('PRAGMA integrity_check(1)').all()
    if (Object.values(check ?? {})[0] !== 'ok') throw new Error('integrity_check')
    migrate(db, now)
    db.exec('BEGIN IMMEDIATE')
    for (const table of ['sessions', 'idempotent_answers', 'rate_limits']) db.exec(`DELETE FROM ${table}`)
    db.exec('UPDATE vms SET "graceOverSeenSince" = NULL')
    db.exec(`DELETE FROM settings WHERE ${ofTheMachine}`)
    const insert = db.prepare('INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)')
    for (const [key, value] of Object.entries(put)) insert.run(key, value)
    db.prepare('INSERT INTO audit (who, what, target, result, "transactionHash", at) VALUES (?, ?, ?, ?, NULL, ?)').run(
      'operator',
      'restore',
      'host',
      result,
      now,
    )
    db.exec('COMMIT')
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch (cause) {
    if (cause instanceof AppError && cause.code === 'store-mismatch') {
      throw new AppError({ code: 'backup-newer', detail: 'Its database has tables that this Freehold does not know.', cause })
    }
    throw new AppError({ code: 'backup-unreadable', detail: 'Its database cannot be opened.', cause })
  } finally {
    db.close()
  }
}
