import type { SQLInputValue } from 'node:sqlite'
import { ColumnTypeEnum, type ArgType, type ColumnType, type ResultValue } from '@prisma/driver-adapter-utils'

/** Declared column types as the migrations write them. INTEGER stays in 32 bits by the schema: longer numbers are BIGINT. */
const declaredTypes: Readonly<Record<string, ColumnType>> = {
  INT: ColumnTypeEnum.Int32,
  INTEGER: ColumnTypeEnum.Int32,
  BIGINT: ColumnTypeEnum.Int64,
  REAL: ColumnTypeEnum.Double,
  TEXT: ColumnTypeEnum.Text,
  BLOB: ColumnTypeEnum.Bytes,
  BOOLEAN: ColumnTypeEnum.Boolean,
  DATETIME: ColumnTypeEnum.DateTime,
  JSONB: ColumnTypeEnum.Json,
}

/** Type per column: as declared, else (an expression) by the first value that is not null. */
export function columnTypes(declared: readonly (string | null)[], rows: readonly (readonly unknown[])[]): ColumnType[] {
  return declared.map((type, i) => {
    const known = type === null ? undefined : declaredTypes[type.toUpperCase()]
    if (known !== undefined) return known
    const sample = rows.find((row) => row[i] !== null)?.[i]
    switch (typeof sample) {
      case 'string':
        return ColumnTypeEnum.Text
      case 'bigint':
        return ColumnTypeEnum.Int64
      case 'number':
        return ColumnTypeEnum.Double
      case 'undefined':
        return ColumnTypeEnum.Int32
      default:
        return ColumnTypeEnum.Bytes
    }
  })
}

/** A value as read (integers come as bigint) in the form that Prisma takes. */
export function fromSql(value: unknown, type: ColumnType): ResultValue {
  if (typeof value !== 'bigint') return value as ResultValue
  if (type === ColumnTypeEnum.DateTime) return new Date(Number(value)).toISOString()
  const number = Number(value)
  // beyond 2^53 a number would lose digits; Prisma reads BIGINT from text too
  return Number.isSafeInteger(number) ? number : value.toString()
}

/** An argument as Prisma gives it in the form that node:sqlite takes. */
export function toSql(value: unknown, type: ArgType | undefined): SQLInputValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Date) return value.toISOString()
  if (typeof value !== 'string') return value as SQLInputValue
  switch (type?.scalarType) {
    case 'int':
    case 'bigint':
      return BigInt(value)
    case 'float':
      return Number(value)
    case 'datetime':
      return new Date(value).toISOString()
    case 'bytes':
      return Buffer.from(value, 'base64')
    default:
      // decimals too stay text: SQLite would make floats of them
      return value
  }
}
