import { isDuplicate, type Database } from './database.ts'

export const idempotencySeconds = 24 * 3600

/** One use of an `Idempotency-Key`. */
export interface IdempotentRequest {
  key: string
  /** Session address or other name of the caller: keys of strangers never meet. */
  who: string
  /** Method and path. */
  route: string
  bodyHash: string
}

export type IdempotencyVerdict =
  /** First use: act, then `finish`. */
  | { kind: 'fresh' }
  /** The same request is being worked on. */
  | { kind: 'running' }
  /** The same request was answered. */
  | { kind: 'answered'; status: number; response: unknown }
  /** The key was used for another route or body. */
  | { kind: 'mismatch' }

export interface IdempotencyRepository {
  begin(request: IdempotentRequest): Promise<IdempotencyVerdict>
  /** Keeps the answer for 24 h. */
  finish(request: Pick<IdempotentRequest, 'key' | 'who'>, status: number, response: unknown): Promise<void>
  /** Takes a `fresh` back: the request failed before anything changed. */
  abandon(request: Pick<IdempotentRequest, 'key' | 'who'>): Promise<void>
  /** At boot: what was being worked on when the process ended may be tried again. */
  abandonRunning(): Promise<number>
  sweep(): Promise<number>
}

export function createIdempotency(db: Database): IdempotencyRepository {
  const expired = () => BigInt(db.clock.now() - idempotencySeconds)
  return {
    async begin({ key, who, route, bodyHash }) {
      await db.queries.idempotentAnswer.deleteMany({ where: { who, key, at: { lte: expired() } } })
      try {
        await db.queries.idempotentAnswer.create({ data: { key, who, route, bodyHash, at: BigInt(db.clock.now()) } })
        return { kind: 'fresh' }
      } catch (error) {
        if (!isDuplicate(error)) throw error
      }
      const row = await db.queries.idempotentAnswer.findUnique({ where: { who_key: { who, key } } })
      if (row === null) return { kind: 'running' }
      if (row.route !== route || row.bodyHash !== bodyHash) return { kind: 'mismatch' }
      if (row.status === null || row.response === null) return { kind: 'running' }
      return { kind: 'answered', status: row.status, response: JSON.parse(row.response) }
    },
    async finish({ key, who }, status, response) {
      await db.queries.idempotentAnswer.updateMany({
        where: { who, key },
        data: { status, response: JSON.stringify(response ?? null) },
      })
    },
    async abandon({ key, who }) {
      await db.queries.idempotentAnswer.deleteMany({ where: { who, key, status: null } })
    },
    async abandonRunning() {
      return (await db.queries.idempotentAnswer.deleteMany({ where: { status: null } })).count
    },
    async sweep() {
      return (await db.queries.idempotentAnswer.deleteMany({ where: { at: { lte: expired() } } })).count
    },
  }
}
