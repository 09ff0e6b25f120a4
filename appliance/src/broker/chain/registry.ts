import { brokerRegistryInterface } from '@freehold/contracts/broker-registry'
import { getAddress, isError, keccak256, toUtf8Bytes } from 'ethers'
import { AppError, findAppError } from '../../errors/app-error.ts'
import { HeadsReader, type HeadsView } from '../../chain/heads.ts'
import type { BlockRef } from '../../chain/port.ts'
import { refusalOf, RpcClient } from '../../chain/rpc.ts'
import type { Clock } from '../../clock/clock.ts'

/** A request of the registry as it stands in one block. */
export interface ChainRequest {
  requestId: bigint
  installation: string
  asker: string
  fee: bigint
  askedAt: number
  /** 1 open, 2 granted, 3 refused, 4 withdrawn. */
  outcome: number
  question: string
  /** Tells two requests apart that had the same id in two histories. */
  digest: string
}

/** Who speaks for an installation, and whether the broker lists it, in one block. */
export interface InstallationFacts {
  owner: string | undefined
  provisioner: string | undefined
  listed: boolean
}

export interface RegistryOptions {
  rpcUrls: readonly string[]
  chainId: number
  registry: string
  brokerId: bigint
  confirmations: number
  clock: Clock
}

const page = 50n
const ownerCall = keccak256(toUtf8Bytes('owner()')).slice(0, 10)
const provisionerCall = keccak256(toUtf8Bytes('provisioner()')).slice(0, 10)

/** Reads of the registry and of installations, each pinned to one block by its hash (EIP-1898). */
export class Registry {
  readonly options: RegistryOptions
  readonly #heads: HeadsReader
  readonly #first: RpcClient
  #last: { view: HeadsView; at: number } | undefined

  constructor(options: RegistryOptions) {
    this.options = options
    const clients = options.rpcUrls.map((url) => new RpcClient({ url }))
    const [first] = clients
    if (first === undefined) throw new TypeError('a registry needs a node')
    this.#first = first
    this.#heads = new HeadsReader({
      clients,
      chainId: options.chainId,
      confirmations: options.confirmations,
      clock: options.clock,
    })
  }

  /** The heads, at most `ageMs` old. Throws as `HeadsReader.read`. */
  async heads(ageMs = 0): Promise<HeadsView> {
    const now = this.options.clock.monotonicMs()
    if (this.#last !== undefined && ageMs > 0 && now - this.#last.at <= ageMs) return this.#last.view
    const view = await this.#heads.read()
    this.#last = { view, at: now }
    return view
  }

  /** The newest block's number at the first node: cheap to ask often, and only wakes. */
  async newest(): Promise<bigint> {
    return BigInt(String(await this.#first.call('eth_blockNumber')))
  }

  /** The time of taking (design §6): the finalized block's, undefined where the chain does not answer or stands still. */
  async takingTime(): Promise<number | undefined> {
    try {
      const heads = await this.heads()
      return heads.stale ? undefined : heads.finalized.timestamp
    } catch {
      return undefined
    }
  }

  async requestCount(view: HeadsView, at: BlockRef): Promise<bigint> {
    const [count] = await this.#call(view, at, 'requestCountOf', [this.options.brokerId])
    return count as bigint
  }

  /** The broker's requests from the `from`-th on, in the order in which they came. */
  async requests(view: HeadsView, at: BlockRef, from: bigint): Promise<ChainRequest[]> {
    const found: ChainRequest[] = []
    const count = await this.requestCount(view, at)
    for (let i = from; i < count; i += page) {
      const [list] = await this.#call(view, at, 'requestsOf', [this.options.brokerId, i, page])
      for (const one of list as Record<string, unknown>[]) found.push(requestOf(one))
    }
    return found
  }

  /** One request, or undefined if this block does not know it. */
  async request(view: HeadsView, at: BlockRef, requestId: bigint): Promise<ChainRequest | undefined> {
    try {
      const [one] = await this.#call(view, at, 'request', [requestId])
      return requestOf(one as Record<string, unknown>)
    } catch (error) {
      if (/UnknownRequest|execution reverted|revert/i.test(refusalOf(error)?.message ?? '')) return undefined
      throw error
    }
  }

  async installation(view: HeadsView, at: BlockRef, contract: string): Promise<InstallationFacts> {
    const block = { blockHash: at.hash, requireCanonical: true }
    const { registry, brokerId } = this.options
    const listed = brokerRegistryInterface.encodeFunctionData('listed', [brokerId, contract])
    const outcomes = await view.primary.settle([
      { method: 'eth_call', params: [{ to: contract, data: ownerCall }, block] },
      { method: 'eth_call', params: [{ to: contract, data: provisionerCall }, block] },
      { method: 'eth_call', params: [{ to: registry, data: listed }, block] },
    ])
    const [owner, provisioner, list] = outcomes.map((outcome) => ('result' in outcome ? String(outcome.result) : undefined))
    if (list === undefined || !/^0x[0-9a-f]{64}$/i.test(list)) {
      throw new AppError({ code: 'contract-missing', detail: `The registry at ${registry} does not answer.` })
    }
    return { owner: addressOf(owner), provisioner: addressOf(provisioner), listed: BigInt(list) === 1n }
  }

  async #call(view: HeadsView, at: BlockRef, name: string, args: readonly unknown[]): Promise<unknown[]> {
    const data = brokerRegistryInterface.encodeFunctionData(name, args)
    const answer = await view.primary.call('eth_call', [
      { to: this.options.registry, data },
      { blockHash: at.hash, requireCanonical: true },
    ])
    try {
      return [...brokerRegistryInterface.decodeFunctionResult(name, String(answer))]
    } catch (cause) {
      if (!isError(cause, 'BAD_DATA') && findAppError(cause) === undefined) throw cause
      throw new AppError({
        code: 'contract-missing',
        detail: `The registry at ${this.options.registry} does not answer as Freehold's.`,
        cause,
      })
    }
  }
}

function addressOf(word: string | undefined): string | undefined {
  return word !== undefined && /^0x0{24}[0-9a-f]{40}$/i.test(word) ? getAddress(`0x${word.slice(26)}`) : undefined
}

function requestOf(one: Record<string, unknown>): ChainRequest {
  const question = String(one['question'])
  const [installation, asker] = [String(one['installation']), String(one['asker'])]
  const askedAt = Number(one['askedAt'])
  return {
    requestId: one['requestId'] as bigint,
    installation,
    asker,
    fee: one['fee'] as bigint,
    askedAt,
    outcome: Number(one['outcome']),
    question,
    digest: keccak256(toUtf8Bytes([installation, asker, askedAt, question].join('\n'))),
  }
}
