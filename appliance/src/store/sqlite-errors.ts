import { DriverAdapterError, type MappedError } from '@prisma/driver-adapter-utils'

/** What node:sqlite throws: `errcode` is SQLite's extended result code. */
interface SqliteError extends Error {
  code: 'ERR_SQLITE_ERROR'
  errcode?: number
}

// Source: https://www.sqlite.org/rescode.html
const CONSTRAINT_UNIQUE = 2067
const CONSTRAINT_PRIMARY_KEY = 1555
const CONSTRAINT_NOT_NULL = 1299
const CONSTRAINT_FOREIGN_KEY = 787
const CONSTRAINT_TRIGGER = 1811
const BUSY = 5

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR'
}

function mapped(error: SqliteError): MappedError {
  const code = error.errcode ?? 1
  // "UNIQUE constraint failed: table.a, table.b"
  const fields = error.message
    .split('constraint failed: ')[1]
    ?.split(', ')
    .map((name) => name.split('.').at(-1) ?? name)
  switch (code) {
    case CONSTRAINT_UNIQUE:
    case CONSTRAINT_PRIMARY_KEY:
      return { kind: 'UniqueConstraintViolation', ...(fields && { constraint: { fields } }) }
    case CONSTRAINT_NOT_NULL:
      return { kind: 'NullConstraintViolation', ...(fields && { constraint: { fields } }) }
    case CONSTRAINT_FOREIGN_KEY:
    case CONSTRAINT_TRIGGER:
      return { kind: 'ForeignKeyConstraintViolation', constraint: { foreignKey: {} } }
  }
  if ((code & 0xff) === BUSY) return { kind: 'SocketTimeout' }
  const table = /^no such table: (.*)$/.exec(error.message)?.[1]
  if (table !== undefined) return { kind: 'TableDoesNotExist', table }
  const column = /(?:^no such column: |has no column named )(.*)$/.exec(error.message)?.[1]
  if (column !== undefined) return { kind: 'ColumnNotFound', column }
  return { kind: 'sqlite', extendedCode: code, message: error.message }
}

/** Runs a statement; what SQLite throws becomes the error that Prisma maps to P2002, P2003, … */
export function withMappedErrors<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!isSqliteError(error)) throw error
    throw new DriverAdapterError({
      originalCode: String(error.errcode ?? ''),
      originalMessage: error.message,
      ...mapped(error),
    })
  }
}
