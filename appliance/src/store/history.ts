import type { ChainEvent } from '../generated/prisma/client.ts'
import type { Database } from './database.ts'
import { fromJson, toJson } from './json.ts'

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

export function createHistory(db: Database): HistoryRepository {
  const cursorKey = (installation: string) => `history-cursor:${installation}`
  return {
    async replaceRange(installation, from, to, events) {
      const key = cursorKey(installation)
      await db.transaction(async (queries) => {
        await queries.chainEvent.deleteMany({ where: { installation, blockNumber: { gte: BigInt(from), lte: BigInt(to) } } })
        if (events.length > 0) {
          await queries.chainEvent.createMany({
            data: events.map((event) => ({
              ...event,
              blockNumber: BigInt(event.blockNumber),
              tokenId: event.tokenId?.toString() ?? null,
              args: toJson(event.args),
            })),
          })
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
