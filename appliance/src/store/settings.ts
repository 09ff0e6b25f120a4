import type { z } from 'zod'
import { AppError } from '../errors/app-error.ts'
import type { Database } from './database.ts'
import { fromJson, toJson } from './json.ts'

/** Small things that the daemon must remember, each under a name: setup journal, contract journal, offset of the clock. */
export interface SettingRepository {
  /** The value as the schema reads it, or undefined. Throws AppError `store-damaged` if it does not fit. */
  get<S extends z.ZodType>(key: string, schema: S): Promise<z.output<S> | undefined>
  /** Bigints are kept. */
  put(key: string, value: unknown): Promise<void>
  remove(key: string): Promise<void>
}

export function createSettings(db: Database): SettingRepository {
  return {
    async get(key, schema) {
      const row = await db.queries.setting.findUnique({ where: { key } })
      if (row === null) return undefined
      const parsed = schema.safeParse(fromJson(row.value))
      if (!parsed.success)
        throw new AppError({ code: 'store-damaged', detail: `Setting ${key} is not readable.`, cause: parsed.error })
      return parsed.data
    },
    async put(key, value) {
      const row = { key, value: toJson(value) }
      await db.queries.setting.upsert({ where: { key }, create: row, update: row })
    },
    async remove(key) {
      await db.queries.setting.deleteMany({ where: { key } })
    },
  }
}
