import type { DatabaseSync } from 'node:sqlite'
import {
  DriverAdapterError,
  type IsolationLevel,
  type SqlDriverAdapter,
  type SqlDriverAdapterFactory,
  type SqlQuery,
  type SqlQueryable,
  type SqlResultSet,
  type Transaction,
} from '@prisma/driver-adapter-utils'
import { withMappedErrors } from './sqlite-errors.ts'
import { columnTypes, fromSql, toSql } from './sqlite-values.ts'

const adapterName = 'node-sqlite'

/** First come, first served. The one writer queue of the store: a transaction holds it from BEGIN to its end. */
class Queue {
  #tail: Promise<void> = Promise.resolve()

  /** Resolves at one's turn with what ends it. */
  turn(): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const before = this.#tail
    this.#tail = before.then(() => promise)
    return before.then(() => resolve)
  }
}

class Queryable implements SqlQueryable {
  readonly provider = 'sqlite'
  readonly adapterName = adapterName
  protected readonly db: DatabaseSync

  constructor(db: DatabaseSync) {
    this.db = db
  }

  protected query({ sql, args, argTypes }: SqlQuery): SqlResultSet {
    return withMappedErrors(() => {
      const statement = this.db.prepare(sql)
      statement.setReadBigInts(true)
      statement.setReturnArrays(true)
      const columns = statement.columns()
      const rows = statement.all(...args.map((arg, i) => toSql(arg, argTypes[i]))) as unknown as unknown[][]
      const types = columnTypes(
        columns.map((column) => column.type),
        rows,
      )
      return {
        columnNames: columns.map((column) => column.name),
        columnTypes: types,
        rows: rows.map((row) => row.map((value, i) => fromSql(value, types[i] ?? 0))),
      }
    })
  }

  protected execute({ sql, args, argTypes }: SqlQuery): number {
    return withMappedErrors(() => Number(this.db.prepare(sql).run(...args.map((arg, i) => toSql(arg, argTypes[i]))).changes))
  }

  queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    return Promise.try(() => this.query(query))
  }

  executeRaw(query: SqlQuery): Promise<number> {
    return Promise.try(() => this.execute(query))
  }
}

/** Prisma sends COMMIT and ROLLBACK itself as SQL (`usePhantomQuery: false`), then calls `commit` or `rollback` here. */
class OpenTransaction extends Queryable implements Transaction {
  readonly options = { usePhantomQuery: false }
  readonly #end: () => void

  constructor(db: DatabaseSync, end: () => void) {
    super(db)
    this.#end = end
  }

  commit(): Promise<void> {
    this.#end()
    return Promise.resolve()
  }

  rollback(): Promise<void> {
    this.#end()
    return Promise.resolve()
  }
}

class Adapter extends Queryable implements SqlDriverAdapter {
  readonly #queue: Queue

  constructor(db: DatabaseSync, queue: Queue) {
    super(db)
    this.#queue = queue
  }

  async #inTurn<T>(run: () => T): Promise<T> {
    const end = await this.#queue.turn()
    try {
      return run()
    } finally {
      end()
    }
  }

  override queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    return this.#inTurn(() => this.query(query))
  }

  override executeRaw(query: SqlQuery): Promise<number> {
    return this.#inTurn(() => this.execute(query))
  }

  executeScript(script: string): Promise<void> {
    return this.#inTurn(() => withMappedErrors(() => this.db.exec(script)))
  }

  async startTransaction(level?: IsolationLevel): Promise<Transaction> {
    if (level !== undefined && level !== 'SERIALIZABLE') throw new DriverAdapterError({ kind: 'InvalidIsolationLevel', level })
    const end = await this.#queue.turn()
    try {
      // IMMEDIATE: a reader that becomes a writer half-way could fail with SQLITE_BUSY without waiting
      withMappedErrors(() => this.db.exec('BEGIN IMMEDIATE'))
      return new OpenTransaction(this.db, end)
    } catch (error) {
      end()
      throw error
    }
  }

  dispose(): Promise<void> {
    // whoever opened the DatabaseSync closes it
    return Promise.resolve()
  }
}

/**
 * A Prisma driver adapter over node:sqlite: no native module, no download. All work goes through one connection, so PRAGMAs
 * hold, and through one queue, so no foreign write can slip into an open transaction.
 */
export class NodeSqliteAdapterFactory implements SqlDriverAdapterFactory {
  readonly provider = 'sqlite'
  readonly adapterName = adapterName
  readonly #db: DatabaseSync
  readonly #queue = new Queue()

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  connect(): Promise<SqlDriverAdapter> {
    return Promise.resolve(new Adapter(this.#db, this.#queue))
  }
}
