import type { ChainSnapshot, Depth } from '../chain/port.ts'
import { sameSubscription, type Address, type Plan, type Subscription } from '../chain/subscription.ts'
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

type Flat = Omit<Subscription, 'tokenId' | 'paid' | 'settled'> & { tokenId: string; paid: string; settled: string }

/** Written out field by field where it holds bigints: ten thousand of them go through here. */
function flat(s: Subscription): string {
  return JSON.stringify({ ...s, tokenId: String(s.tokenId), paid: String(s.paid), settled: String(s.settled) } satisfies Flat)
}

function unflat(text: string): Subscription {
  const s = JSON.parse(text) as Flat
  return { ...s, tokenId: BigInt(s.tokenId), paid: BigInt(s.paid), settled: BigInt(s.settled) }
}

export function createProjection(db: Database): ProjectionRepository {
  /** What lies in the database, by installation and depth, once this process has written it: only differences are written. */
  const written = new Map<string, ReadonlyMap<bigint, Subscription>>()

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
      const name = `${installation}/${depth}`
      const former = written.get(name)
      const now = [...snapshot.subscriptions.values()]
      const changed = former === undefined ? now : now.filter((s) => !sameSubscription(former.get(s.tokenId), s))
      const rows = JSON.stringify(changed.map((s) => [String(s.tokenId), flat(s)]))
      const gone = former === undefined ? undefined : [...former.keys()].filter((id) => !snapshot.subscriptions.has(id))
      written.delete(name)
      await db.transaction(async (queries) => {
        await queries.chainView.upsert({
          where: { installation_depth: { installation, depth } },
          create: { installation, depth, ...view },
          update: view,
        })
        // one statement each, for any number of subscriptions
        if (gone === undefined) {
          await queries.$executeRaw`DELETE FROM chain_subscriptions WHERE installation = ${installation} AND depth = ${depth}`
        } else if (gone.length > 0) {
          const ids = JSON.stringify(gone.map(String))
          await queries.$executeRaw`DELETE FROM chain_subscriptions WHERE installation = ${installation} AND depth = ${depth}
            AND tokenId IN (SELECT value FROM json_each(${ids}))`
        }
        if (changed.length > 0) {
          await queries.$executeRaw`INSERT OR REPLACE INTO chain_subscriptions (installation, depth, tokenId, data)
            SELECT ${installation}, ${depth}, value ->> 0, value ->> 1 FROM json_each(${rows})`
        }
      })
      written.set(name, snapshot.subscriptions)
    },

    snapshot(installation, depth) {
      return db.transaction(async (queries) => {
        const view = await queries.chainView.findUnique({ where: { installation_depth: { installation, depth } } })
        if (view === null) return undefined
        const rows = await queries.chainSubscription.findMany({ where: { installation, depth }, select: { data: true } })
        const subscriptions = rows.map(({ data }) => unflat(data)).sort((a, b) => (a.tokenId < b.tokenId ? -1 : 1))
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
      for (const name of written.keys()) if (name.startsWith(`${installation}/`)) written.delete(name)
      await db.transaction(async (queries) => {
        await queries.chainSubscription.deleteMany({ where: { installation } })
        await queries.chainView.deleteMany({ where: { installation } })
      })
    },
  }
}
