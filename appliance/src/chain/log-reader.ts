import type { Interface } from 'ethers'
import { z } from 'zod'
import { Breath } from '../clock/breath.ts'
import { AppError, findAppError } from '../errors/app-error.ts'
import type { HistoryRepository, StoredChainEvent } from '../store/history.ts'
import { toQuantity } from './blocks.ts'
import { EventDecoder } from './event-decoder.ts'
import type { BlockRef } from './port.ts'
import type { RpcClient } from './rpc.ts'
import type { Address } from './subscription.ts'

const firstWindow = 2000
const largestWindow = 20_000

const quantity = z.string().regex(/^0x[0-9a-f]{1,16}$/i)
const logSchema = z.object({
  blockNumber: quantity,
  blockHash: z.string(),
  logIndex: quantity,
  transactionHash: z.string(),
  topics: z.array(z.string()),
  data: z.string(),
})

/**
 * Fills the history with the contract's logs. Nothing depends on it but what people read: a missed log or a reorganised block
 * needs no repair beyond reading the newest blocks again.
 */
export class LogReader {
  readonly #contract: Address
  readonly #installation: string
  readonly #decoder: EventDecoder
  readonly #history: HistoryRepository
  readonly #fromBlock: number
  /** Learnt: how many blocks a node takes in one question. */
  #window = firstWindow
  #largest = largestWindow

  constructor(options: {
    contract: Address
    installation: string
    abi: Interface
    history: HistoryRepository
    /** Where the contract was deployed. */
    fromBlock: number
  }) {
    this.#contract = options.contract
    this.#installation = options.installation
    this.#decoder = new EventDecoder(options.abi)
    this.#history = options.history
    this.#fromBlock = options.fromBlock
  }

  /** Reads up to `latest`, and all above `finalized` again, for they may have changed. Returns how many logs were found. */
  async catchUp(client: RpcClient, latest: BlockRef, finalized: BlockRef, signal?: AbortSignal): Promise<number> {
    const cursor = await this.#history.cursor(this.#installation)
    let from = Math.max(this.#fromBlock, Math.min((cursor ?? this.#fromBlock - 1) + 1, finalized.number + 1))
    let found = 0
    while (from <= latest.number && signal?.aborted !== true) {
      const to = Math.min(from + this.#window - 1, latest.number)
      let events: StoredChainEvent[]
      try {
        events = await this.#logs(client, from, to)
      } catch (error) {
        if (to === from || findAppError(error, 'rpc-refused') === undefined) throw error
        this.#window = Math.ceil((to - from + 1) / 2)
        this.#largest = this.#window
        continue
      }
      await this.#history.replaceRange(this.#installation, from, to, events)
      found += events.length
      from = to + 1
      this.#window = Math.min(this.#largest, this.#window * 2)
    }
    return found
  }

  async #logs(client: RpcClient, from: number, to: number): Promise<StoredChainEvent[]> {
    const answer = await client.call('eth_getLogs', [
      { address: this.#contract, fromBlock: toQuantity(from), toBlock: toQuantity(to) },
    ])
    const logs = z.array(logSchema).safeParse(answer)
    if (!logs.success) throw new AppError({ code: 'rpc-unreachable', detail: 'The node gave no usable logs.', cause: logs.error })
    const events: StoredChainEvent[] = []
    const breath = new Breath()
    for (const log of logs.data) {
      if (breath.due) await breath.take()
      const event = this.#event(log)
      if (event !== undefined) events.push(event)
    }
    return events
  }

  #event(log: z.output<typeof logSchema>): StoredChainEvent | undefined {
    const decoded = this.#decoder.decode(log)
    if (decoded === undefined) return undefined
    const { name, args } = decoded
    const tokenId = args['tokenId']
    return {
      installation: this.#installation,
      blockNumber: Number(log.blockNumber),
      logIndex: Number(log.logIndex),
      blockHash: log.blockHash.toLowerCase(),
      name,
      tokenId: typeof tokenId === 'bigint' ? tokenId : null,
      args,
      transactionHash: log.transactionHash.toLowerCase(),
    }
  }
}
