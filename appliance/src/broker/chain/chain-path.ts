import canonicalize from 'canonicalize'
import type { HeadsView } from '../../chain/heads.ts'
import { AppError, findAppError } from '../../errors/app-error.ts'
import { installationId } from '../../chain/installation.ts'
import type { Broker, BrokerLog } from '../broker.ts'
import { checkTimes, parseWith, requestSchema } from '../requests/request.ts'
import { open, seal, type MessageKey, type MessagePlace } from '../requests/seal.ts'
import { refusalCodeOf } from '../requests/refusal-codes.ts'
import { numberOf, textOf, type BrokerDatabase } from '../store/database.ts'
import type { Identity } from '../types.ts'
import type { Agent, ChainAnswer } from './agent.ts'
import type { ChainRequest, Registry } from './registry.ts'

const open_ = 1
const questionSchema = requestSchema.partial({ broker: true })
const cursorName = 'registry-cursor'

/**
 * Requests of the registry: decided at the giving depth, answered once. What was decided is stored before it is sent, so a kill
 * between any two steps ends in the same answer. A pass reads the level; events only wake it.
 */
export class ChainPath {
  readonly #registry: Registry
  readonly #agent: Agent
  readonly #broker: Broker
  readonly #db: BrokerDatabase
  readonly #key: MessageKey
  readonly #wireguardKey: string
  readonly #log: BrokerLog

  constructor(options: {
    registry: Registry
    agent: Agent
    broker: Broker
    db: BrokerDatabase
    messageKey: MessageKey
    wireguardKey: string
    log: BrokerLog
  }) {
    this.#registry = options.registry
    this.#agent = options.agent
    this.#broker = options.broker
    this.#db = options.db
    this.#key = options.messageKey
    this.#wireguardKey = options.wireguardKey
    this.#log = options.log
  }

  /** One look at the chain. Returns how many requests were answered. Throws what the chain's reads throw; nothing is lost by it. */
  async pass(): Promise<number> {
    const view = await this.#registry.heads()
    if (view.stale) return 0
    await this.#settle(view)
    const cursor = this.#cursor()
    const requests = await this.#registry.requests(view, view.giving, cursor)
    let answered = 0
    for (const request of requests) {
      if (request.outcome !== open_) continue
      try {
        // the window for answers is the chain's; an answer that comes too late would only burn gas
        const latest = await this.#registry.request(view, view.latest, request.requestId)
        if (latest === undefined || latest.digest !== request.digest || latest.outcome !== open_) continue
        await this.#agent.answer(await this.#decided(request))
        answered += 1
      } catch (error) {
        this.#log.error({ err: error, request: String(request.requestId) }, 'a request on chain waits for the next look')
      }
    }
    await this.#advance(view)
    return answered
  }

  /** The stored answer to this very request, or a new one. */
  async #decided(request: ChainRequest): Promise<ChainAnswer> {
    const id = String(request.requestId)
    const row = this.#db.one('SELECT * FROM chain_outcomes WHERE request_id = ? AND digest = ?', id, request.digest)
    if (row !== undefined && textOf(row['outcome']) === 'refuse')
      return { requestId: request.requestId, kind: 'refuse', code: numberOf(row['code']) }
    if (row !== undefined) {
      // the packets of the grant may not have been set when we were killed
      await this.#broker.changed()
      return { requestId: request.requestId, kind: 'grant', payload: row['payload'] as Uint8Array }
    }
    const now = this.#broker.clock.now()
    try {
      const place = this.#place(request, 'question')
      const text = await open(this.#key, place, Buffer.from(request.question.slice(2), 'hex'))
      // the seal names the broker, whose WireGuard key a host on chain may not know yet
      const { broker = this.#wireguardKey, ...question } = parseWith(questionSchema, jsonOf(text))
      const asked = { ...question, broker }
      this.#checkMeant(asked, request)
      checkTimes(asked, request.askedAt)
      const { answerKey } = asked
      if (answerKey === undefined)
        throw new AppError({ code: 'bad-input', detail: 'A question on chain names the key for its answer.' })
      // before anything is given: a key that nothing can be sealed to is refused
      await this.#sealed(Buffer.from(answerKey, 'base64'), request, '')
      const answer = await this.#broker.handle({
        request: asked,
        paid: request.fee > 0n,
        // the contract lets nobody ask for nothing but the listed
        listed: request.fee === 0n,
        source: { kind: 'chain', requestId: request.requestId },
        settled: false,
      })
      const sealed = await this.#sealed(Buffer.from(answerKey, 'base64'), request, canonicalize(answer) ?? '')
      this.#store(request, { lease: answer.lease.id, outcome: 'grant', payload: sealed, code: 0 }, now)
      return { requestId: request.requestId, kind: 'grant', payload: sealed }
    } catch (error) {
      const code = refusalCodeOf(error)
      if (code === undefined) throw error
      this.#log.info({ request: id, code: findAppError(error)?.code }, 'request on chain refused')
      this.#store(request, { lease: null, outcome: 'refuse', payload: null, code }, now)
      return { requestId: request.requestId, kind: 'refuse', code }
    }
  }

  async #sealed(to: Uint8Array, request: ChainRequest, text: string): Promise<Uint8Array> {
    try {
      return await seal(to, this.#place(request, 'answer'), text)
    } catch (cause) {
      throw new AppError({ code: 'bad-input', detail: 'The key for the answer is no point of P-256.', cause })
    }
  }

  #checkMeant(asked: { chainId: number; contract: string; broker: string }, request: ChainRequest): void {
    const { chainId } = this.#registry.options
    if (asked.broker !== this.#wireguardKey || asked.chainId !== chainId || asked.contract !== request.installation) {
      throw new AppError({ code: 'bad-input', detail: 'The question names another broker, chain or contract than the request.' })
    }
  }

  #place(request: ChainRequest, direction: MessagePlace['direction']): MessagePlace {
    const { chainId, registry, brokerId } = this.#registry.options
    return { direction, chainId, registry, brokerId, installation: request.installation, asker: request.asker }
  }

  #store(
    request: ChainRequest,
    o: { lease: string | null; outcome: string; payload: Uint8Array | null; code: number },
    now: number,
  ): void {
    this.#db.run(
      'INSERT OR REPLACE INTO chain_outcomes VALUES (?, ?, ?, ?, ?, ?, ?, 0)',
      String(request.requestId),
      request.digest,
      o.lease,
      o.outcome,
      o.payload,
      o.code,
      now,
    )
  }

  /** Leases whose request is finalized are settled; those whose request is gone at `finalized` and at `latest` end. */
  async #settle(view: HeadsView): Promise<void> {
    for (const lease of this.#broker.book.leases.live()) {
      if (lease.settled || lease.source.kind !== 'chain') continue
      const { requestId } = lease.source
      const row = this.#db.one(
        'SELECT digest, decided_at FROM chain_outcomes WHERE request_id = ? AND lease = ?',
        String(requestId),
        lease.id,
      )
      const final = await this.#registry.request(view, view.finalized, requestId)
      if (row !== undefined && final?.digest === row['digest']) {
        this.#broker.book.leases.settle(lease, this.#broker.clock.now())
        continue
      }
      // not finalized yet is no reason: only a finalized block younger than the lease shows that the request is gone
      if (view.finalized.timestamp <= lease.from) continue
      const latest = await this.#registry.request(view, view.latest, requestId)
      if (latest !== undefined && latest.digest === row?.['digest']) continue
      const identity = installationId(lease.chainId, lease.contract) as Identity
      this.#log.info({ lease: lease.id, identity }, 'the request was reorganised away')
      this.#broker.book.endReorganised(lease, this.#broker.clock.now())
      await this.#broker.changed()
    }
  }

  /** Passes what has its outcome at `finalized`: it is never read again. */
  async #advance(view: HeadsView): Promise<void> {
    let cursor = this.#cursor()
    for (const request of await this.#registry.requests(view, view.finalized, cursor)) {
      if (request.outcome === open_) break
      cursor += 1n
    }
    this.#db.run('INSERT OR REPLACE INTO settings VALUES (?, ?)', cursorName, String(cursor))
  }

  #cursor(): bigint {
    const row = this.#db.one('SELECT value FROM settings WHERE name = ?', cursorName)
    return row === undefined ? 0n : BigInt(textOf(row['value']))
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError({ code: 'broker-unreadable', detail: 'The message is no JSON.', cause })
  }
}
