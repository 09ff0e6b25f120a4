import type { ChainSnapshot, Depth } from '../chain/port.ts'
import type { Address, Plan, Subscription } from '../chain/subscription.ts'
import type { Database } from './database.ts'
import { fromJson, toJson } from './json.ts'

/** The newest snapshot of each contract and depth: what the chain said, at which block. */
export interface ProjectionRepository {
  /** Puts a snapshot in the place of the former one of the same installation and depth, in one transaction. */
  replace(snapshot: ChainSnapshot): Promise<void>
  snapshot(installation: string, depth: Depth): Promise<ChainSnapshot | undefined>
  /** Forgets a contract that is no longer served. */
  forget(installation: string): Promise<void>
}

export function createProjection(db: Database): ProjectionRepository {
  return {
    async replace(snapshot) {
      const { installation, depth, block } = snapshot
      const view = {
        contract: snapshot.contract,
        blockNumber: BigInt(block.number),
        blockHash: block.hash,
        blockTimestamp: BigInt(block.timestamp),
        nextTokenId: snapshot.nextTokenId.toString(),
        owner: snapshot.owner,
        treasury: snapshot.treasury,
        provisioner: snapshot.provisioner,
        operator: snapshot.operator,
        buyingPaused: snapshot.buyingPaused,
        plans: toJson(snapshot.plans),
      }
      const rows = JSON.stringify([...snapshot.subscriptions.values()].map((s) => [s.tokenId.toString(), toJson(s)]))
      await db.transaction(async (queries) => {
        await queries.chainView.upsert({
          where: { installation_depth: { installation, depth } },
          create: { installation, depth, ...view },
          update: view,
        })
        // two statements for any number of subscriptions, and only rows that changed are written
        await queries.$executeRaw`DELETE FROM chain_subscriptions WHERE installation = ${installation} AND depth = ${depth}
          AND tokenId NOT IN (SELECT value ->> 0 FROM json_each(${rows}))`
        await queries.$executeRaw`INSERT INTO chain_subscriptions (installation, depth, tokenId, data)
          SELECT ${installation}, ${depth}, value ->> 0, value ->> 1 FROM json_each(${rows}) WHERE true
          ON CONFLICT (installation, depth, tokenId) DO UPDATE SET data = excluded.data WHERE data <> excluded.data`
      })
    },

    snapshot(installation, depth) {
      return db.transaction(async (queries) => {
        const view = await queries.chainView.findUnique({ where: { installation_depth: { installation, depth } } })
        if (view === null) return undefined
        const rows = await queries.chainSubscription.findMany({ where: { installation, depth }, select: { data: true } })
        const subscriptions = rows
          .map(({ data }) => fromJson<Subscription>(data))
          .sort((a, b) => (a.tokenId < b.tokenId ? -1 : 1))
        return {
          installation,
          depth,
          contract: view.contract as Address,
          block: { number: Number(view.blockNumber), hash: view.blockHash, timestamp: Number(view.blockTimestamp) },
          nextTokenId: BigInt(view.nextTokenId),
          subscriptions: new Map(subscriptions.map((subscription) => [subscription.tokenId, subscription])),
          plans: fromJson<Plan[]>(view.plans),
          owner: view.owner as Address,
          treasury: view.treasury as Address,
          provisioner: view.provisioner as Address,
          operator: view.operator as Address,
          buyingPaused: view.buyingPaused,
        }
      })
    },

    async forget(installation) {
      await db.transaction(async (queries) => {
        await queries.chainSubscription.deleteMany({ where: { installation } })
        await queries.chainView.deleteMany({ where: { installation } })
      })
    },
  }
}
