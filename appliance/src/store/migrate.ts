import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { AppError } from '../errors/app-error.ts'

/** The numbered SQL files that lie beside this file. */
export const migrationsFolder = join(import.meta.dirname, 'migrations')

interface Migration {
  name: string
  sql: string
  sha256: string
}

function load(folder: string): Migration[] {
  return readdirSync(folder)
    .filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(join(folder, name), 'utf8')
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') }
    })
}

function refuse(detail: string, hint: string): AppError {
  return new AppError({ code: 'store-mismatch', detail, hint })
}

function apply(db: DatabaseSync, migration: Migration, now: number): void {
  // SQLite ignores PRAGMA foreign_keys inside a transaction, and a rebuilt table needs it off: off before, checked within, on after
  db.exec('PRAGMA foreign_keys = OFF')
  try {
    db.exec('BEGIN IMMEDIATE')
    try {
      db.exec(migration.sql)
      const broken = db.prepare('PRAGMA foreign_key_check').all()
      if (broken.length > 0)
        throw refuse(`Migration ${migration.name} leaves ${broken.length} broken references.`, 'Report this version.')
      db.prepare('INSERT INTO schema_migrations (name, sha256, applied_at) VALUES (?, ?, ?)').run(
        migration.name,
        migration.sha256,
        now,
      )
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  } finally {
    db.exec('PRAGMA foreign_keys = ON')
  }
}

/**
 * Brings the database to the newest migration, each in a transaction of its own; a second run does nothing. Returns the names
 * applied. Throws AppError `store-mismatch` if an applied file was changed, or if the database knows files that we do not (a
 * newer version wrote it). `now`: seconds.
 */
export function migrate(db: DatabaseSync, now: number, folder = migrationsFolder): string[] {
  db.exec(
    'CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT',
  )
  const applied = new Map(
    db
      .prepare('SELECT name, sha256 FROM schema_migrations')
      .all()
      .map((row) => [String(row['name']), String(row['sha256'])]),
  )
  const known = load(folder)
  const unknown = [...applied.keys()].filter((name) => !known.some((migration) => migration.name === name))
  if (unknown.length > 0) {
    throw refuse(`The database was written by a newer version (${unknown.join(', ')}).`, 'Install that version or a later one.')
  }
  for (const { name, sha256 } of known) {
    if (applied.has(name) && applied.get(name) !== sha256) {
      throw refuse(
        `Migration ${name} was changed after it was applied.`,
        'Restore the file of the release, or add a new migration.',
      )
    }
  }
  const open = known.filter(({ name }) => !applied.has(name))
  for (const migration of open) apply(db, migration, now)
  return open.map(({ name }) => name)
}
