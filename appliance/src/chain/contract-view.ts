import { AppError, findAppError } from '../errors/app-error.ts'
import type { ContractCodec, ContractFacts } from './contract-codec.ts'
import { HexBytes } from './hex-bytes.ts'
import type { BlockRef } from './port.ts'
import { refusalOf, type RpcCall, type RpcClient } from './rpc.ts'
import { sameSubscription, type Address, type Plan, type Subscription } from './subscription.ts'

/** What nodes say of a block that they do not have, or no longer on the chain (geth, reth, erigon, nethermind, anvil). */
const blockGone =
  /header not found|header for hash not found|block not found|unknown block|not canonical|is not currently canonical|resource not found|blockoutofrange|missing trie|state .*not available|pruned/i

const firstBatch = 250
const largestBatch = 1000
const plansPerCall = 20

/** Views of one contract, each pinned to a block by its hash (EIP-1898), asked of one node. */
export class ContractView {
  readonly #contract: Address
  readonly #codec: ContractCodec
  /** Learnt: how many ids a node answers in one call. */
  #batch = firstBatch
  #largest = largestBatch
  /** By digest of a long answer: what it was decoded to. An answer names its ids, so equal ones are equal lists. */
  #known: ReadonlyMap<string, readonly (Subscription | undefined)[]> = new Map()

  constructor(contract: Address, codec: ContractCodec) {
    this.#contract = contract
    this.#codec = codec
  }

  /** How many ids the next call asks for. */
  get batchSize(): number {
    return this.#batch
  }

  async facts(client: RpcClient, at: BlockRef): Promise<ContractFacts> {
    let answers: string[]
    try {
      answers = await this.#calls(client, this.#codec.encodeFacts(), at)
    } catch (error) {
      // ours never reverts these
      if (/execution reverted/i.test(refusalOf(error)?.message ?? '')) throw foreign(this.#contract, error)
      throw error
    }
    return this.#decoded(client, at, answers, () => this.#codec.decodeFacts(answers))
  }

  async plans(client: RpcClient, at: BlockRef, count: number): Promise<Plan[]> {
    const ids = Array.from({ length: count }, (_, id) => id)
    const calls: string[] = []
    for (let i = 0; i < count; i += plansPerCall) calls.push(this.#codec.encodePlans(ids.slice(i, i + plansPerCall)))
    const answers = await this.#calls(client, calls, at)
    return this.#decoded(client, at, answers, () => answers.flatMap((answer) => this.#codec.decodePlans(answer)))
  }

  /**
   * In the order of `ids`; undefined where an id was never sold. Halves its calls where the node refuses their size. What has not
   * changed since `former` are the same objects; a call whose answer is the former one is not decoded at all.
   */
  async subscriptions(
    client: RpcClient,
    at: BlockRef,
    ids: readonly bigint[],
    former: ReadonlyMap<bigint, Subscription> = new Map(),
  ): Promise<(Subscription | undefined)[]> {
    const found: (Subscription | undefined)[] = []
    const seen = new Map<string, readonly (Subscription | undefined)[]>()
    while (found.length < ids.length) {
      const part = ids.slice(found.length, found.length + this.#batch)
      let answer: unknown
      try {
        ;[answer] = await this.#answers(client, [this.#codec.encodeSubscriptions(part)], at, true)
      } catch (error) {
        if (part.length === 1 || !(await this.#tooLarge(client, error))) throw error
        this.#batch = Math.ceil(part.length / 2)
        this.#largest = this.#batch
        continue
      }
      const digest = answer instanceof HexBytes ? answer.digest() : undefined
      let list = digest === undefined ? undefined : this.#known.get(digest)
      if (list === undefined) {
        const text = String(answer)
        const decoded = await this.#decoded(client, at, [text], () => this.#codec.decodeSubscriptions(text))
        list = decoded.map((one) => shared(one, former))
      }
      if (digest !== undefined) seen.set(digest, list)
      if (list.length !== part.length) throw foreign(this.#contract)
      found.push(...list)
      if (part.length === this.#batch) this.#batch = Math.min(this.#largest, this.#batch * 2)
    }
    if (seen.size > 0) this.#known = seen
    return found
  }

  /** True if a smaller call may pass: the node refused for another reason than the block, or broke off but is still there. */
  async #tooLarge(client: RpcClient, error: unknown): Promise<boolean> {
    if (findAppError(error, 'rpc-refused') !== undefined) return true
    if (findAppError(error, 'rpc-unreachable') === undefined) return false
    try {
      await client.send('eth_chainId', [])
      return true
    } catch {
      return false
    }
  }

  async #calls(client: RpcClient, datas: readonly string[], at: BlockRef): Promise<string[]> {
    return (await this.#answers(client, datas, at)).map(String)
  }

  async #answers(client: RpcClient, datas: readonly string[], at: BlockRef, hexBytes = false): Promise<unknown[]> {
    const block = { blockHash: at.hash, requireCanonical: true }
    const calls: RpcCall[] = datas.map((data) => ({
      method: 'eth_call',
      params: [{ to: this.#contract, data }, block],
      ...(hexBytes && { hexBytes }),
    }))
    try {
      return await client.batch(calls)
    } catch (error) {
      if (!blockGone.test(refusalOf(error)?.message ?? '')) throw error
      throw new AppError({
        code: 'chain-inconsistent',
        detail: `The node at ${client.host} does not have block ${at.number} any more.`,
        cause: error,
      })
    }
  }

  async #decoded<T>(client: RpcClient, at: BlockRef, answers: readonly string[], decode: () => T): Promise<T> {
    try {
      return decode()
    } catch (cause) {
      if (answers.every((answer) => answer === '0x')) {
        const code = await client.call('eth_getCode', [this.#contract, { blockHash: at.hash, requireCanonical: true }])
        if (code === '0x') {
          throw new AppError({
            code: 'contract-missing',
            detail: `There is no code at ${this.#contract} in block ${at.number}.`,
            cause,
          })
        }
      }
      throw foreign(this.#contract, cause)
    }
  }
}

/** The former object where nothing of it has changed. */
function shared(one: Subscription | undefined, former: ReadonlyMap<bigint, Subscription>): Subscription | undefined {
  const last = one && former.get(one.tokenId)
  return sameSubscription(last, one) ? last : one
}

function foreign(contract: Address, cause?: unknown): AppError {
  return new AppError({ code: 'contract-missing', detail: `The contract at ${contract} does not answer as Freehold's.`, cause })
}
