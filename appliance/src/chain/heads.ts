import type { Clock } from '../clock/clock.ts'
import { AppError, findAppError } from '../errors/app-error.ts'
import { parseBlock, parseQuantity, toQuantity } from './blocks.ts'
import type { BlockRef, Heads } from './port.ts'
import type { RpcClient, RpcOutcome, RpcRefusal } from './rpc.ts'

export const staleAfterSeconds = 600
/** How long a slow node may take after another has answered: a hung one must not hold up logins. */
const graceMs = 1500

/** Heads, and who told them. */
export interface HeadsView extends Heads {
  /** The node whose blocks these are: reads pinned to them go there first. */
  primary: RpcClient
  /** The other nodes that answered, with their own newest block. */
  others: readonly { client: RpcClient; latest: BlockRef }[]
}

interface NodeView {
  client: RpcClient
  latest: BlockRef
  /** Null if it says that its chain has none. */
  finalized: BlockRef | null
}

/**
 * That a chain has finality, kept over restarts. A node that says after one that it has none would else lower the depth of
 * taking to 10 × confirmations: by a lie, disks could be taken sooner.
 */
export interface FinalityMemory {
  known(): Promise<boolean>
  remember(): Promise<void>
}

function refused(outcome: RpcOutcome): RpcRefusal | undefined {
  return 'error' in outcome ? outcome.error : undefined
}

/** The node's way of saying that it knows no such tag: parameters or method refused, or words about it. */
function saysUnknownTag(refusal: RpcRefusal): boolean {
  return (
    [-32601, -32602, -32600].includes(refusal.rpcCode) ||
    /finalized|unknown block|not found|unsupported|not supported/i.test(refusal.message)
  )
}

function bare(block: BlockRef): BlockRef {
  return { number: block.number, hash: block.hash, timestamp: block.timestamp }
}

/**
 * Reads the heads of a chain from all its nodes. A node of another chain is `wrong-chain` for all; nodes that name different
 * blocks at the finalized height are `chain-inconsistent`; one that is down or behind only does not count as agreeing.
 */
export class HeadsReader {
  readonly #clients: readonly RpcClient[]
  readonly #chainId: number
  readonly #confirmations: number
  readonly #clock: Clock
  readonly #memory: FinalityMemory | undefined
  /** Once a node knew `finalized`, its absence is a fault and never again "this chain has none". */
  #finality = false

  constructor(options: {
    clients: readonly RpcClient[]
    chainId: number
    confirmations: number
    clock: Clock
    finality?: FinalityMemory | undefined
  }) {
    this.#clients = options.clients
    this.#chainId = options.chainId
    this.#confirmations = options.confirmations
    this.#clock = options.clock
    this.#memory = options.finality
  }

  async read(): Promise<HeadsView> {
    const settled = await this.#settleTogether(this.#clients.map((client) => this.#ask(client)))
    let views: NodeView[] = []
    let failure: unknown
    for (const outcome of settled) {
      if (outcome === undefined) continue
      if (outcome.status === 'fulfilled') views.push(outcome.value)
      else if (findAppError(outcome.reason, 'wrong-chain') !== undefined) throw outcome.reason
      else failure ??= outcome.reason
    }
    if (await this.#hasFinality(views)) {
      // judged once all have spoken: whoever answers first must not decide that the chain has none
      for (const { client, finalized } of views) if (finalized === null) failure ??= forgotten(client)
      views = views.filter(({ finalized }) => finalized !== null)
    }
    // the newest block wins: a former holder must be out with the first block that shows the transfer, whoever saw it first
    const [primary, ...others] = views.toSorted((a, b) => b.latest.number - a.latest.number)
    if (primary === undefined) throw failure
    const settledBy = finalityOf(views) ?? primary
    const [giving, finalized] = await this.#depths(primary, settledBy.finalized)
    const agreeing =
      1 +
      (await this.#agreeing(
        finalized,
        views.filter((view) => view !== settledBy),
      ))
    const stale = this.#clock.now() - primary.latest.timestamp > staleAfterSeconds
    return {
      latest: primary.latest,
      giving,
      finalized,
      stale,
      standing: stale && others.some((other) => other.latest.hash === primary.latest.hash),
      agreeing,
      primary: primary.client,
      others: others.map(({ client, latest }) => ({ client, latest })),
    }
  }

  /** All outcomes, undefined for those that come later than `graceMs` after the first success. */
  async #settleTogether<T>(promises: readonly Promise<T>[]): Promise<(PromiseSettledResult<T> | undefined)[]> {
    const outcomes: (PromiseSettledResult<T> | undefined)[] = promises.map(() => undefined)
    const all = Promise.all(
      promises.map(async (promise, i) => {
        const [outcome] = await Promise.allSettled([promise])
        outcomes[i] = outcome
      }),
    )
    const done = new AbortController()
    const grace = Promise.any(promises).then(
      () => this.#clock.wait(graceMs, done.signal),
      () => all,
    )
    await Promise.race([all, grace])
    done.abort()
    return [...outcomes]
  }

  async #ask(client: RpcClient): Promise<NodeView> {
    const [chainId, latest, finalized] = await client.settle([
      { method: 'eth_chainId', params: [] },
      { method: 'eth_getBlockByNumber', params: ['latest', false] },
      { method: 'eth_getBlockByNumber', params: ['finalized', false] },
    ])
    const id = parseQuantity(chainId !== undefined && 'result' in chainId ? chainId.result : undefined)
    if (id !== BigInt(this.#chainId)) {
      throw new AppError({
        code: 'wrong-chain',
        detail: `The node at ${client.host} serves chain ${id}, not ${this.#chainId}.`,
      })
    }
    const newest = latest !== undefined && 'result' in latest ? parseBlock(latest.result) : null
    if (newest === null || finalized === undefined) {
      throw new AppError({ code: 'rpc-unreachable', detail: `The node at ${client.host} has no newest block.` })
    }
    return { client, latest: bare(newest), finalized: this.#finalizedOf(client, finalized) }
  }

  #finalizedOf(client: RpcClient, outcome: RpcOutcome): BlockRef | null {
    const refusal = refused(outcome)
    // only a node that says so has no finality; one that is busy or broken has not been heard
    if (refusal !== undefined && !saysUnknownTag(refusal)) throw forgotten(client, refusal)
    const block = 'result' in outcome ? parseBlock(outcome.result) : null
    return block === null ? null : bare(block)
  }

  async #hasFinality(views: readonly NodeView[]): Promise<boolean> {
    if (this.#finality) return true
    const seen = views.some(({ finalized }) => finalized !== null)
    if (seen) await this.#memory?.remember()
    this.#finality = seen || ((await this.#memory?.known()) ?? false)
    return this.#finality
  }

  async #depths({ client, latest }: NodeView, finalized: BlockRef | null): Promise<[BlockRef, BlockRef]> {
    const givingNumber = Math.max(0, latest.number - (this.#confirmations - 1))
    const finalNumber = Math.max(0, latest.number - 10 * this.#confirmations)
    const wanted = [givingNumber, ...(finalized === null ? [finalNumber] : [])].filter((number) => number !== latest.number)
    const answers = await client.batch(wanted.map((n) => ({ method: 'eth_getBlockByNumber', params: [toQuantity(n), false] })))
    const found = new Map<number, BlockRef>([[latest.number, latest]])
    for (const answer of answers) {
      const block = parseBlock(answer)
      if (block !== null) found.set(block.number, bare(block))
    }
    const giving = found.get(givingNumber)
    const final = finalized ?? found.get(finalNumber)
    if (giving === undefined || final === undefined) {
      throw new AppError({ code: 'chain-inconsistent', detail: `The node at ${client.host} lacks a block below its newest.` })
    }
    return [giving, final]
  }

  /** How many others have this very block. Throws `chain-inconsistent` if one has another in its place. */
  async #agreeing(block: BlockRef, others: readonly NodeView[]): Promise<number> {
    const asked = others.map(async ({ client }) =>
      parseBlock(await client.call('eth_getBlockByNumber', [toQuantity(block.number), false])),
    )
    // the primary has this block already: its answer starts the grace
    const settled = await this.#settleTogether([Promise.resolve(null), ...asked])
    const blocks = settled.map((outcome) => (outcome?.status === 'fulfilled' ? outcome.value : null))
    const hashes = blocks.flatMap((found) => (found === null ? [] : [found.hash]))
    if (hashes.some((hash) => hash !== block.hash)) {
      throw new AppError({
        code: 'chain-inconsistent',
        detail: `The nodes name different blocks at height ${block.number}, which should be settled.`,
      })
    }
    return hashes.length
  }
}

/**
 * Who tells what is finalized: with several nodes the second highest of their answers counts, so that one node alone cannot
 * call a block settled that no other does. Undefined where the chain has no finality.
 */
function finalityOf(views: readonly NodeView[]): NodeView | undefined {
  const [first, second] = views
    .filter((view) => view.finalized !== null)
    .toSorted((a, b) => (b.finalized?.number ?? 0) - (a.finalized?.number ?? 0))
  return second ?? first
}

function forgotten(client: RpcClient, cause?: RpcRefusal): AppError {
  return new AppError({
    code: 'rpc-refused',
    detail: `The node at ${client.host} does not name a finalized block any more.`,
    cause,
  })
}
