import { installationId } from '../chain/installation.ts'
import type { BlockRef, ChainReader, ChainSnapshot, Depth, Heads, Provisioner, TransactionOutcome } from '../chain/port.ts'
import { zeroAddress, type Address, type Plan, type Subscription } from '../chain/subscription.ts'
import { AppError } from '../errors/app-error.ts'

const contract: Address = `0x${'c0'.repeat(20)}`
export const testProvisioner: Address = `0x${'b1'.repeat(20)}`
export const alice: Address = `0x${'a1'.repeat(20)}`
export const bob: Address = `0x${'a2'.repeat(20)}`

/** A plan of the least machine, with what the test changes. */
export function testPlan(changes: Partial<Plan> = {}): Plan {
  return {
    planId: 0,
    name: 'small',
    kind: 'vm',
    vcpus: 1,
    memoryMiB: 256,
    diskGiB: 1,
    gasPerDay: 0n,
    graceSeconds: 86_400,
    activationDeadlineSeconds: 3600,
    minSeconds: 60,
    maxSeconds: 90 * 86_400,
    capacity: 20_000,
    used: 0,
    open: true,
    prices: [],
    ...changes,
  }
}

interface BlockState extends BlockRef {
  subscriptions: Map<bigint, Subscription>
  nextTokenId: bigint
  provisioner: Address
}

/**
 * A chain in memory for tests of timing: blocks with states, three depths, the transitions of the contract that the daemon
 * sees. It knows no money. Tests of the whole use a real node.
 */
export class TestChain implements ChainReader {
  readonly chainId = 31337
  readonly contract = contract
  readonly installation = installationId(31337, contract)
  readonly plans: Plan[]
  readonly #blocks: BlockState[]
  readonly #watchers = new Set<() => void>()
  confirmations = 1
  /** Blocks between the newest and the finalized one. */
  finalityBlocks = 2
  stale = false
  /** The next reads fail like an RPC that is down. */
  down = false
  reads = 0

  constructor(plans: Plan[], now: number) {
    this.plans = plans
    this.#blocks = [
      { number: 1, hash: '0x1', timestamp: now, subscriptions: new Map(), nextTokenId: 1n, provisioner: testProvisioner },
    ]
  }

  get head(): BlockState {
    return this.#blocks.at(-1) as BlockState
  }

  /** Mines a block, `seconds` after the last, that changes the state. */
  mine(seconds = 1, change: (state: BlockState) => void = () => undefined): BlockState {
    const number = this.head.number + 1
    const next: BlockState = {
      ...this.head,
      number,
      hash: `0x${number.toString(16)}`,
      timestamp: this.head.timestamp + seconds,
      subscriptions: new Map(this.head.subscriptions),
    }
    change(next)
    this.#blocks.push(next)
    for (const wake of this.#watchers) wake()
    return next
  }

  /** Mines until the newest state is finalized. */
  finalize(): void {
    for (let i = 0; i < this.finalityBlocks; i += 1) this.mine()
  }

  /** Removes the newest blocks, as a reorganisation does. */
  reorganise(blocks: number): void {
    this.#blocks.splice(-blocks)
  }

  buy(buyer: Address = alice, planId = 0, seconds = 86_400): bigint {
    let tokenId = 0n
    this.mine(1, (state) => {
      tokenId = state.nextTokenId
      state.nextTokenId += 1n
      const deadline = this.plans[planId]?.activationDeadlineSeconds ?? 0
      state.subscriptions.set(tokenId, {
        installation: this.installation,
        tokenId,
        planId,
        state: 'pending',
        holder: buyer,
        buyer,
        boughtBlock: state.number,
        boughtAt: state.timestamp,
        token: zeroAddress,
        seconds,
        activationDeadline: state.timestamp + deadline,
        activatedAt: 0,
        expiresAt: 0,
        graceEndsAt: 0,
        paid: 0n,
        streamFrom: 0,
        streamTo: 0,
        settled: 0n,
      })
    })
    return tokenId
  }

  extend(tokenId: bigint, seconds: number): void {
    this.mine(1, (state) => {
      const s = this.#require(state, tokenId)
      const expiresAt = Math.max(state.timestamp, s.expiresAt) + seconds
      const graceSeconds = this.plans[s.planId]?.graceSeconds ?? 0
      state.subscriptions.set(tokenId, { ...s, expiresAt, graceEndsAt: expiresAt + graceSeconds })
    })
  }

  /** `cancel` or `refund`: ends it, whatever its state. */
  endFor(tokenId: bigint): void {
    this.mine(1, (state) => this.#end(state, tokenId))
  }

  at(tokenId: bigint): Subscription | undefined {
    return this.head.subscriptions.get(tokenId)
  }

  heads(): Promise<Heads> {
    this.#answer()
    const head = this.head
    return Promise.resolve({
      latest: head,
      giving: this.#deep(this.confirmations - 1),
      finalized: this.#deep(this.finalityBlocks),
      stale: this.stale,
      standing: false,
      agreeing: 1,
    })
  }

  snapshot(depth: Depth): Promise<ChainSnapshot> {
    this.#answer()
    const block = this.#deep(depth === 'latest' ? 0 : depth === 'giving' ? this.confirmations - 1 : this.finalityBlocks)
    return Promise.resolve({
      installation: this.installation,
      contract,
      depth,
      block,
      nextTokenId: block.nextTokenId,
      subscriptions: new Map([...block.subscriptions].filter(([, s]) => s.state !== 'ended')),
      plans: this.plans,
      owner: zeroAddress,
      treasury: zeroAddress,
      provisioner: block.provisioner,
      buyingPaused: false,
      operator: zeroAddress,
    })
  }

  subscription(tokenId: bigint, at: BlockRef): Promise<Subscription | undefined> {
    this.#answer()
    return Promise.resolve(this.#blocks.find((b) => b.hash === at.hash)?.subscriptions.get(tokenId))
  }

  subscriptions(tokenIds: readonly bigint[], at: BlockRef): Promise<(Subscription | undefined)[]> {
    return Promise.all(tokenIds.map((tokenId) => this.subscription(tokenId, at)))
  }

  subscriptionForTaking(tokenId: bigint): ReturnType<ChainReader['subscriptionForTaking']> {
    this.#answer()
    const finalizedBlock = this.#deep(this.finalityBlocks)
    const finalized = finalizedBlock.subscriptions.get(tokenId)
    const latest = this.head.subscriptions.get(tokenId)
    if (this.stale) return Promise.reject(new AppError({ code: 'chain-stale', detail: 'The newest block is old.' }))
    if (finalized === undefined || latest === undefined) {
      return Promise.reject(new AppError({ code: 'chain-inconsistent', detail: `Subscription ${tokenId} is not finalized.` }))
    }
    return Promise.resolve({ finalized, latest, finalizedBlock })
  }

  async subscriptionForLogin(tokenId: bigint): ReturnType<ChainReader['subscriptionForLogin']> {
    const heads = await this.heads()
    return { giving: await this.subscription(tokenId, heads.giving), latest: this.at(tokenId), heads }
  }

  watch(wake: () => void): () => void {
    this.#watchers.add(wake)
    return () => this.#watchers.delete(wake)
  }

  /** The provisioner of this chain: each call is one mined block, idempotent per verb and id. Counts what it sent. */
  provisioner(): Provisioner & { sent: string[] } {
    const sent: string[] = []
    const act = (verb: string, tokenId: bigint, change: (state: BlockState) => void): Promise<TransactionOutcome> => {
      if (this.down) return Promise.reject(new AppError({ code: 'rpc-unreachable', detail: 'The RPC is down.' }))
      sent.push(`${verb} ${tokenId}`)
      try {
        const block = this.mine(1, change)
        return Promise.resolve({ state: 'mined', hash: block.hash, blockNumber: block.number, succeeded: true })
      } catch (error) {
        return Promise.resolve({ state: 'refused', reason: String(error) })
      }
    }
    return {
      sent,
      address: testProvisioner,
      activate: (id) =>
        act('activate', id, (state) => {
          const s = this.#require(state, id, 'pending')
          if (state.timestamp >= s.activationDeadline) throw new Error('the deadline has passed')
          const expiresAt = state.timestamp + s.seconds
          const graceSeconds = this.plans[s.planId]?.graceSeconds ?? 0
          state.subscriptions.set(id, {
            ...s,
            state: 'active',
            activatedAt: state.timestamp,
            expiresAt,
            graceEndsAt: expiresAt + graceSeconds,
          })
        }),
      reject: (id) =>
        act('reject', id, (state) => {
          this.#require(state, id, 'pending')
          this.#end(state, id)
        }),
      end: (id) =>
        act('end', id, (state) => {
          if (state.timestamp < this.#require(state, id, 'active').graceEndsAt) throw new Error('the grace is not over')
          this.#end(state, id)
        }),
      balance: () => Promise.resolve(10n ** 18n),
      resume: () => Promise.resolve(),
    }
  }

  #deep(blocks: number): BlockState {
    return this.#blocks.at(-1 - blocks) ?? (this.#blocks[0] as BlockState)
  }

  #require(state: BlockState, tokenId: bigint, wanted?: Subscription['state']): Subscription {
    const s = state.subscriptions.get(tokenId)
    if (s === undefined || s.state === 'ended' || (wanted !== undefined && s.state !== wanted)) {
      throw new Error(`subscription ${tokenId} is ${s?.state ?? 'not there'}`)
    }
    return s
  }

  #end(state: BlockState, tokenId: bigint): void {
    state.subscriptions.set(tokenId, { ...this.#require(state, tokenId), state: 'ended', holder: zeroAddress })
  }

  #answer(): void {
    this.reads += 1
    if (this.down) throw new AppError({ code: 'rpc-unreachable', detail: 'The RPC is down.' })
  }
}
