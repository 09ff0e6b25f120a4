import { AppError } from '../errors/app-error.ts'
import type { ContractView } from './contract-view.ts'
import type { BlockRef, ChainSnapshot, Depth } from './port.ts'
import type { RpcClient } from './rpc.ts'
import type { Address, Subscription } from './subscription.ts'

/** Snapshots kept by block hash: the three depths of one pass often name the same block. */
const remembered = 3

/**
 * Reads all not-ended subscriptions at one block. Ids that were ended in a finalized block are never asked again, so the work
 * grows with what lives, not with what was ever sold.
 */
export class SnapshotReader {
  readonly #view: ContractView
  readonly #contract: Address
  readonly #installation: string
  /** All ids below this one were ended at finalized. */
  #endedBelow = 1n
  /** Further ones that were. */
  readonly #ended = new Set<bigint>()
  readonly #recent = new Map<string, ChainSnapshot>()
  /** Reads under way, by node, block and whether it is final. */
  readonly #reading = new Map<string, Promise<ChainSnapshot>>()
  /** What was read last: unchanged subscriptions are the same objects in all snapshots. */
  #last: ReadonlyMap<bigint, Subscription> = new Map()

  constructor(options: { view: ContractView; contract: Address; installation: string }) {
    this.#view = options.view
    this.#contract = options.contract
    this.#installation = options.installation
  }

  /** How many ids the next snapshot would leave out because they ended. */
  get knownEnded(): bigint {
    return this.#endedBelow - 1n + BigInt(this.#ended.size)
  }

  async read(client: RpcClient, depth: Depth, block: BlockRef): Promise<ChainSnapshot> {
    const known = this.#recent.get(block.hash)
    if (known !== undefined && (depth !== 'finalized' || known.depth === 'finalized')) return { ...known, depth }
    // loop and pages ask for a new block at the same moment: it is read once
    const name = `${client.url} ${depth === 'finalized'} ${block.hash}`
    const begun = this.#reading.get(name)
    if (begun !== undefined) return { ...(await begun), depth }
    const reading = this.#readAnew(client, depth, block)
    this.#reading.set(name, reading)
    try {
      return await reading
    } finally {
      this.#reading.delete(name)
    }
  }

  async #readAnew(client: RpcClient, depth: Depth, block: BlockRef): Promise<ChainSnapshot> {
    const { planCount, ...facts } = await this.#view.facts(client, block)
    const plans = await this.#view.plans(client, block, planCount)
    const ids = this.#toAsk(facts.nextTokenId)
    const found = await this.#view.subscriptions(client, block, ids, this.#last)
    const subscriptions = new Map<bigint, Subscription>()
    for (const subscription of found) {
      // an id below nextTokenId was sold: its absence is a fault of the node, never an end
      if (subscription === undefined) {
        throw new AppError({ code: 'chain-inconsistent', detail: `Block ${block.number} lacks a subscription that was sold.` })
      }
      if (subscription.state !== 'ended') subscriptions.set(subscription.tokenId, subscription)
      else if (depth === 'finalized') this.#ended.add(subscription.tokenId)
    }
    while (this.#ended.delete(this.#endedBelow)) this.#endedBelow += 1n
    this.#last = subscriptions
    const snapshot: ChainSnapshot = {
      installation: this.#installation,
      contract: this.#contract,
      depth,
      block,
      subscriptions,
      plans,
      ...facts,
    }
    this.#recent.set(block.hash, snapshot)
    for (const hash of this.#recent.keys()) if (this.#recent.size > remembered) this.#recent.delete(hash)
    return snapshot
  }

  #toAsk(nextTokenId: bigint): bigint[] {
    const ids: bigint[] = []
    for (let id = this.#endedBelow; id < nextTokenId; id += 1n) if (!this.#ended.has(id)) ids.push(id)
    return ids
  }
}
