import { AsyncLocalStorage } from 'node:async_hooks'
import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import { migrate } from './migrate.ts'
import { NodeSqliteAdapterFactory } from './node-sqlite-adapter.ts'

/** What repositories work with: the client, or the transaction they stand in. */
export type Queries = Prisma.TransactionClient

/** The open database. */
export interface Database {
  readonly clock: Clock
  /** For single statements. Throws inside `transaction`: there the given `Queries` must be used, else it would wait for itself. */
  readonly queries: Queries
  /** All or nothing. Nothing outside the process may be awaited inside. */
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>
  /** A copy of the whole database in a new file, consistent while writes go on. `path` must not exist. */
  copyTo(path: string): void
  close(): Promise<void>
}

const pragmas = { journal_mode: 'wal', synchronous: 2, foreign_keys: 1, busy_timeout: 5000 } as const

function setPragmas(db: DatabaseSync, inMemory: boolean): void {
  for (const [name, wanted] of Object.entries(pragmas)) {
    const value = inMemory && name === 'journal_mode' ? 'memory' : wanted
    db.exec(`PRAGMA ${name} = ${value}`)
    // a file system without shared memory refuses WAL in silence: believe only what is read back
    const found = Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
    if (found !== value) {
      throw new AppError({
        code: 'store-damaged',
        detail: `SQLite keeps ${name} at ${String(found)} instead of ${value}.`,
        hint: 'Put the database on a local file system.',
      })
    }
  }
}

function checkIntegrity(db: DatabaseSync): void {
  const found = db
    .prepare('PRAGMA integrity_check(10)')
    .all()
    .map((row) => String(Object.values(row)[0]))
  if (found.length === 1 && found[0] === 'ok') return
  throw new AppError({ code: 'store-damaged', detail: 'SQLite finds the file inconsistent.', cause: new Error(found.join('\n')) })
}

function openFile(path: string): DatabaseSync {
  // made by us first: WAL and shared-memory files take over its mode
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
  return new DatabaseSync(path, { timeout: pragmas.busy_timeout, enableForeignKeyConstraints: true })
}

/** Opens the file (made if missing), checks it, migrates it. Throws AppError `store-damaged`, `store-mismatch`, `config-unreadable`. */
export async function openDatabase(path: string, clock: Clock): Promise<Database> {
  let db: DatabaseSync
  try {
    db = openFile(path)
  } catch (cause) {
    throw new AppError({ code: 'config-unreadable', detail: 'The database file cannot be opened.', cause })
  }
  let client: PrismaClient
  try {
    checkIntegrity(db)
    setPragmas(db, path === ':memory:')
    migrate(db, clock.now())
    client = new PrismaClient({ adapter: new NodeSqliteAdapterFactory(db) })
    await client.$connect()
  } catch (error) {
    db.close()
    if (error instanceof AppError) throw error
    throw new AppError({ code: 'store-damaged', detail: 'The database cannot be read.', cause: error })
  }
  const inside = new AsyncLocalStorage<true>()
  return {
    clock,
    get queries(): Queries {
      if (inside.getStore()) throw new Error('inside a transaction its own queries must be used')
      return client
    },
    transaction(work) {
      if (inside.getStore()) return Promise.reject(new Error('a transaction cannot be opened inside another'))
      return client.$transaction((queries) => inside.run(true, () => work(queries)), { maxWait: 60_000, timeout: 60_000 })
    },
    copyTo(file) {
      db.prepare('VACUUM INTO ?').run(file)
    },
    async close() {
      await client.$disconnect()
      if (db.isOpen) db.close()
    },
  }
}

/** True if `error` says that a row with this key exists already. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002'
}
