import { AppError } from '../errors/app-error.ts'
import { postJson } from './rpc-transport.ts'

export interface RpcCall {
  method: string
  params: readonly unknown[]
  /** A long hex result may come as `HexBytes`; asked alone, not in a batch. */
  hexBytes?: true
}

export interface RpcOptions {
  /** http or https; a user and password in it become a header. */
  url: string
  /** Per attempt. Default 10,000. */
  timeoutMs?: number
  /** Largest answer that is read. Default 64 MiB. */
  maxAnswerBytes?: number
  /** Tries of a read. Default 3. */
  attempts?: number
  /** Wait before the second try, doubled for each further one. Default 200. */
  backoffMs?: number
}

/** What the node itself answered, as cause of `rpc-refused`. `data` may hold revert data. */
export class RpcRefusal extends Error {
  readonly rpcCode: number
  readonly data: unknown

  constructor(method: string, error: { code?: unknown; message?: unknown; data?: unknown }) {
    super(`${method}: ${typeof error.message === 'string' ? error.message : 'refused'}`)
    this.name = 'RpcRefusal'
    this.rpcCode = typeof error.code === 'number' ? error.code : 0
    this.data = error.data
  }
}

/** The node's own words inside an AppError, or undefined if the failure was another. */
export function refusalOf(error: unknown): RpcRefusal | undefined {
  for (let e = error; e instanceof Error; e = e.cause) if (e instanceof RpcRefusal) return e
  return undefined
}

/** The node's codes for "too many requests": another try later is right. Sources: EIP-1474, providers' practice. */
const busyCodes = new Set([-32005, 429])
const callsPerBatch = 100
/** A node that refuses as too many is there: more patience with it pays. */
const extraTriesWhenBusy = 3

/**
 * JSON-RPC over HTTP. Reads are tried again with back-off when the node cannot be reached or is busy; `send` only where the node says that it took nothing.
 * All throw AppError `rpc-unreachable` or `rpc-refused` (cause: RpcRefusal); neither names the address, which may hold a key.
 */
export class RpcClient {
  readonly url: string
  readonly #options: Required<RpcOptions>
  /** Some nodes refuse batches; learnt once. */
  #batches = true
  #nextId = 1
  #unreachableAt = Number.NEGATIVE_INFINITY

  constructor(options: RpcOptions) {
    this.url = options.url
    this.#options = { timeoutMs: 10_000, maxAnswerBytes: 64 * 1024 * 1024, attempts: 3, backoffMs: 200, ...options }
  }

  /** Host name of the node, for people; never path or key. */
  get host(): string {
    return new URL(this.url).host
  }

  /** True if it could not be reached in the last 30 s: others are asked first. */
  get doubtful(): boolean {
    return performance.now() - this.#unreachableAt < 30_000
  }

  /** One read. */
  async call(method: string, params: readonly unknown[] = []): Promise<unknown> {
    const result = await this.#again([{ method, params }])
    return this.#value(result[0])
  }

  /** Several reads in one request where the node allows it. Throws if any of them fails. */
  async batch(calls: readonly RpcCall[]): Promise<unknown[]> {
    return (await this.settle(calls)).map((outcome) => this.#value(outcome))
  }

  /** Like `batch`, with a failure in the place of a refused call. */
  async settle(calls: readonly RpcCall[]): Promise<RpcOutcome[]> {
    const outcomes: RpcOutcome[] = []
    for (let i = 0; i < calls.length; i += callsPerBatch) {
      const part = calls.slice(i, i + callsPerBatch)
      outcomes.push(...(await this.#again(part)))
    }
    return outcomes
  }

  /** One call that must not be repeated by itself, such as a broadcast: again only where the node says that it took nothing. */
  async send(method: string, params: readonly unknown[]): Promise<unknown> {
    const [result] = await this.#again([{ method, params }], false)
    return this.#value(result)
  }

  #value(outcome: RpcOutcome | undefined): unknown {
    if (outcome === undefined) throw this.#unreachable(new Error('fewer answers than calls'))
    if ('result' in outcome) return outcome.result
    throw new AppError({
      code: 'rpc-refused',
      detail: `The node at ${this.host} refused ${outcome.error.message.split(':')[0] ?? 'a call'}.`,
      cause: outcome.error,
    })
  }

  #unreachable(cause: unknown): AppError {
    this.#unreachableAt = performance.now()
    return new AppError({ code: 'rpc-unreachable', detail: `No usable answer from ${this.host}.`, cause })
  }

  /** Asks again what was refused as too many, and that alone: a node that lets half of a batch pass must not be met with all of it. */
  async #again(calls: readonly RpcCall[], alsoWhenCut = true): Promise<RpcOutcome[]> {
    const outcomes: (RpcOutcome | undefined)[] = calls.map(() => undefined)
    const isBusy = (o: RpcOutcome | undefined): boolean => o !== undefined && 'error' in o && busyCodes.has(o.error.rpcCode)
    for (let attempt = 1; ; attempt += 1) {
      const open = calls.flatMap((call, index) =>
        outcomes[index] === undefined || isBusy(outcomes[index]) ? [{ call, index }] : [],
      )
      try {
        const found = await this.#post(open.map(({ call }) => call))
        for (const [i, { index }] of open.entries()) outcomes[index] = found[i]
        if (!outcomes.some(isBusy) || attempt >= this.#options.attempts + extraTriesWhenBusy)
          return outcomes.filter((o) => o !== undefined)
      } catch (error) {
        if (!alsoWhenCut || !(error instanceof AppError) || !error.retryable || attempt >= this.#options.attempts) throw error
      }
      const { promise, resolve } = Promise.withResolvers<void>()
      setTimeout(resolve, this.#options.backoffMs * 2 ** (attempt - 1))
      await promise
    }
  }

  async #post(calls: readonly RpcCall[]): Promise<RpcOutcome[]> {
    if (calls.length > 1 && !this.#batches) {
      const outcomes: RpcOutcome[] = []
      for (const call of calls) outcomes.push(...(await this.#post([call])))
      return outcomes
    }
    const bodies = calls.map(({ method, params }) => ({ jsonrpc: '2.0', id: this.#nextId++, method, params }))
    let answer: unknown
    try {
      answer = await postJson(this.url, bodies.length === 1 ? bodies[0] : bodies, {
        ...this.#options,
        hexBytes: calls.length === 1 && calls[0]?.hexBytes === true,
      })
    } catch (cause) {
      throw this.#unreachable(cause)
    }
    if (bodies.length > 1 && !Array.isArray(answer)) {
      // one error object for the whole batch: this node takes single calls only
      this.#batches = false
      return this.#post(calls)
    }
    const answers = (Array.isArray(answer) ? answer : [answer]) as unknown[]
    return bodies.map(({ id, method }) => {
      const own = answers.find((a) => typeof a === 'object' && a !== null && 'id' in a && a.id === id)
      // an error of the whole request has id null
      const found = own ?? (bodies.length === 1 ? answers[0] : undefined)
      if (typeof found !== 'object' || found === null) throw this.#unreachable(new Error(`${method}: no answer`))
      if ('error' in found && found.error) return { error: new RpcRefusal(method, found.error) }
      if (!('result' in found)) throw this.#unreachable(new Error(`${method}: neither result nor error`))
      return { result: found.result }
    })
  }
}

export type RpcOutcome = { result: unknown } | { error: RpcRefusal }
