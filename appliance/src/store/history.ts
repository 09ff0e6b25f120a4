import type { ChainEvent } from '../generated/prisma/client.ts'
import type { Database } from './database.ts'
import { fromJson, toJson } from './json.ts'
import type { Page, PageQuery } from './page.ts'

/** One log of a contract. For people to read: no rule depends on it, the snapshot is the truth. */
export interface StoredChainEvent {
  installation: string
  blockNumber: number
  logIndex: number
  blockHash: string
  name: string
  tokenId: bigint | null
  /** Amounts are bigint. */
  args: Record<string, unknown>
  transactionHash: string
}

export interface HistoryRepository {
  /**
   * Puts the logs of blocks `from…to` in the place of what was known of them, so that a reorganised block leaves nothing and a
   * second call changes nothing.
   */
  replaceRange(installation: string, from: number, to: number, events: readonly StoredChainEvent[]): Promise<void>
  /** Up to which block the logs were read, or undefined. */
  cursor(installation: string): Promise<number | undefined>
  byTransaction(transactionHash: string): Promise<StoredChainEvent[]>
  /** All of one name, oldest first. */
  named(name: string): Promise<StoredChainEvent[]>
  /** Those of these names over all contracts, newest first. */
  newest(names: readonly string[], query?: PageQuery): Promise<Page<StoredChainEvent>>
  /** Newest first. */
  ofToken(installation: string, tokenId: bigint, limit?: number): Promise<StoredChainEvent[]>
}

function fromRow(row: ChainEvent): StoredChainEvent {
  return {
    ...row,
    blockNumber: Number(row.blockNumber),
    tokenId: row.tokenId === null ? null : BigInt(row.tokenId),
    args: fromJson<Record<string, unknown>>(row.args),
  }
}

/** Logs a statement: what it takes of memory is not given back. */
const perStatement = 1000

/** In the order of the statement that writes them. */
function columnsOf(event: StoredChainEvent): unknown[] {
  const { blockNumber, logIndex, blockHash, name, tokenId, args, transactionHash } = event
  return [blockNumber, logIndex, blockHash, name, tokenId?.toString() ?? null, toJson(args), transactionHash]
}

export function createHistory(db: Database): HistoryRepository {
  const cursorKey = (installation: string) => `history-cursor:${installation}`
  return {
    async replaceRange(installation, from, to, events) {
      const key = cursorKey(installation)
      await db.transaction(async (queries) => {
        await queries.chainEvent.deleteMany({ where: { installation, blockNumber: { gte: BigInt(from), lte: BigInt(to) } } })
        // a statement for many: the client's own createMany compiles every value (20,000 logs: 10 s and 350 MB that stay)
        for (let i = 0; i < events.length; i += perStatement) {
          const rows = JSON.stringify(events.slice(i, i + perStatement).map(columnsOf))
          await queries.$executeRaw`INSERT OR REPLACE INTO chain_events
            (installation, blockNumber, logIndex, blockHash, name, tokenId, args, transactionHash)
            SELECT ${installation}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
            FROM json_each(${rows})`
        }
        const value = String(to)
        await queries.setting.upsert({ where: { key }, create: { key, value }, update: { value } })
      })
    },
    async cursor(installation) {
      const row = await db.queries.setting.findUnique({ where: { key: cursorKey(installation) } })
      return row === null ? undefined : Number(row.value)
    },
    async byTransaction(transactionHash) {
      return (await db.queries.chainEvent.findMany({ where: { transactionHash }, orderBy: { logIndex: 'asc' } })).map(fromRow)
    },
    async named(name) {
      const rows = await db.queries.chainEvent.findMany({
        where: { name },
        orderBy: [{ blockNumber: 'asc' }, { logIndex: 'asc' }],
      })
      return rows.map(fromRow)
    },
    async newest(names, { cursor, limit = 50 } = {}) {
      // all contracts stand on one chain: block and place in it name one log
      const [, block, index] = /^(\d{1,15})-(\d{1,9})$/.exec(cursor ?? '') ?? []
      const below =
        block === undefined
          ? {}
          : {
              OR: [{ blockNumber: { lt: BigInt(block) } }, { blockNumber: BigInt(block), logIndex: { lt: Number(index) } }],
            }
      const rows = await db.queries.chainEvent.findMany({
        where: { name: { in: [...names] }, ...below },
        orderBy: [{ blockNumber: 'desc' }, { logIndex: 'desc' }],
        take: limit + 1,
      })
      const items = rows.slice(0, limit).map(fromRow)
      const last = items.at(-1)
      return { items, nextCursor: rows.length > limit && last !== undefined ? `${last.blockNumber}-${last.logIndex}` : null }
    },
    async ofToken(installation, tokenId, limit = 200) {
      const rows = await db.queries.chainEvent.findMany({
        where: { installation, tokenId: tokenId.toString() },
        orderBy: [{ blockNumber: 'desc' }, { logIndex: 'desc' }],
        take: limit,
      })
      return rows.map(fromRow)
    },
  }
}
