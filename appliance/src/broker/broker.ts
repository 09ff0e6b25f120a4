import type { Clock, UnixSeconds } from '../clock/clock.ts'
import { AppError, findAppError } from '../errors/app-error.ts'
import { ownAddress } from '../network/ip.ts'
import type { Asked, Book } from './book.ts'
import { leaseOf, type LeaseRecord } from './leases/record.ts'
import { answerOf, type Answer, type BrokerContact } from './requests/answer.ts'
import type { Change, DataPath, LeaseCounters, LeaseId } from './types.ts'

/** What a watcher of the broker is told; never a secret. */
export interface BrokerLog {
  info(fields: object, text: string): void
  error(fields: object, text: string): void
}

/** Names follow the leases: told after every change of them. */
export interface NameServer {
  publish(): Promise<void>
}

export interface BrokerOptions {
  book: Book
  dataPath: DataPath
  clock: Clock
  contact: BrokerContact
  log: BrokerLog
  names?: NameServer | undefined
  /**
   * The time of taking: that of a finalized block, confirmed by `latest`. Undefined: the chain does not answer or stands still, and
   * nothing is taken.
   */
  takingTime(): Promise<UnixSeconds | undefined>
}

/** Whether hosts answer through their tunnels: a handshake alone proves no traffic. */
export interface Reachability {
  asked: number
  answering: number
}

/** So many hosts are pinged each minute, one after the other in turn: some thousand a process would be a load of their own. */
const askedEachTick = 32
/** A session is renewed every two minutes while anything passes. */
const activeSeconds = 180

/**
 * The broker: requests change the book, the book is made true in the network, and only then is it answered. What is asked
 * while an apply runs goes into the next one, all of it at once.
 */
export class Broker {
  readonly book: Book
  readonly contact: BrokerContact
  readonly clock: Clock
  readonly #options: BrokerOptions
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #counters = new Map<LeaseId, LeaseCounters>()
  /** Whether the network has been made equal to the book since the start. */
  #restored = false
  #lastFailure: string | undefined
  #repaired = 0
  #reachability: Reachability = { asked: 0, answering: 0 }
  #askedLast = ''

  constructor(options: BrokerOptions) {
    this.#options = options
    this.book = options.book
    this.clock = options.clock
    this.contact = options.contact
  }

  /** Makes everything stand again that the book knows, before anybody is answered. Throws `broker-data-path-failed`. */
  async start(): Promise<number> {
    const changes = await this.#options.dataPath.apply(this.#state())
    this.#restored = true
    await this.#publish()
    return changes
  }

  get restored(): boolean {
    return this.#restored
  }

  /** Why the network is not what the book says, or undefined. */
  get failure(): string | undefined {
    return this.#lastFailure
  }

  /** Differences found and repaired since the start. */
  get repaired(): number {
    return this.#repaired
  }

  counters(id: LeaseId): LeaseCounters | undefined {
    return this.#counters.get(id)
  }

  /** Decides, writes, applies, answers. Throws the refusals of `Book.handle`; a failed apply is `broker-data-path-failed`: ask again. */
  async handle(asked: Asked): Promise<Answer> {
    if (!this.#restored)
      throw new AppError({ code: 'broker-data-path-failed', detail: 'The broker is starting.', retryAfterSeconds: 5 })
    const lease = this.book.handle(asked, this.clock.now())
    if (asked.request.verb !== 'status') await this.changed()
    return answerOf(lease, this.contact)
  }

  /** The operator's hand: suspend, resume, release, policy. */
  async operate(work: (book: Book, now: UnixSeconds) => LeaseRecord): Promise<LeaseRecord> {
    const lease = work(this.book, this.clock.now())
    await this.changed()
    return lease
  }

  /** Resolves when the network holds all that stood in the book at the call. Close order: names first, then packets. */
  changed(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#apply().finally(() => {
        this.#running = undefined
      })
      return this.#running
    }
    // the apply under way may have read the book before this change
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        return this.changed()
      })
    return this.#next
  }

  /** Resolves when the names are served as the book has them. Throws `broker-dns-failed`. */
  async namesChanged(): Promise<void> {
    await this.#options.names?.publish()
  }

  /** Of the hosts with a live session that were pinged last. */
  get reachability(): Reachability {
    return this.#reachability
  }

  /** Pings a lease's host at its own address, through the tunnel. Throws `broker-no-lease`. */
  async reach(id: string): Promise<{ address: string; ms: number | undefined }> {
    const address = ownAddress(this.book.live(id).prefix)
    return { address, ms: await this.#options.dataPath.probe(address) }
  }

  /** What an apply would change, as text. */
  plan(): Promise<readonly Change[]> {
    return this.#options.dataPath.plan(this.#state())
  }

  /**
   * Every minute: ends what is over, learns handshakes, repairs drift. A fault of one part does not stop the others.
   */
  async tick(): Promise<{ ended: number; repaired: number }> {
    const { dataPath, log } = this.#options
    await this.#quietly('counters', async () => {
      const counters = await dataPath.counters(this.#state())
      this.#counters = new Map(counters.map((one) => [one.lease, one]))
      this.book.learn(counters)
    })
    await this.#quietly('pings', () => this.#askHosts())
    let repaired = 0
    await this.#quietly('drift', async () => {
      // what is being applied is nobody's doing
      for (let work = this.#underWay(); work !== undefined; work = this.#underWay()) await work.catch(() => undefined)
      const drift = !this.#restored || this.#lastFailure !== undefined ? [] : await dataPath.plan(this.#state())
      if (drift.length === 0 && this.#lastFailure === undefined) return
      for (const change of drift) log.info({ change: change.text }, 'found changed by others, set right')
      await this.changed()
      repaired = drift.length
      this.#repaired += repaired
    })
    let ended: LeaseRecord[] = []
    await this.#quietly('ends', async () => {
      const taking = await this.#options.takingTime()
      // our own clock may be years ahead: the chain's bounds it
      if (taking !== undefined) ended = this.book.endDue(Math.min(taking, this.clock.now()))
      for (const lease of ended) log.info({ lease: lease.id, prefix: lease.prefix }, 'lease ended')
      if (ended.length > 0) await this.changed()
    })
    return { ended: ended.length, repaired }
  }

  async #askHosts(): Promise<void> {
    const since = this.clock.now() - activeSeconds
    const active = this.book.leases
      .live()
      .filter(({ lastHandshakeAt, suspendedAt }) => (lastHandshakeAt ?? 0) > since && suspendedAt === undefined)
      .map(({ id }) => id)
      .toSorted()
    const later = active.filter((id) => id > this.#askedLast)
    const asked = [...later, ...active.slice(0, active.length - later.length)].slice(0, askedEachTick)
    this.#askedLast = asked.at(-1) ?? ''
    const answers = await Promise.all(asked.map((id) => this.reach(id).catch(() => undefined)))
    this.#reachability = { asked: asked.length, answering: answers.filter((one) => one?.ms !== undefined).length }
  }

  #underWay(): Promise<void> | undefined {
    return this.#next ?? this.#running
  }

  #state(): ReturnType<typeof leaseOf>[] {
    return this.book.leases.live().map(leaseOf)
  }

  async #apply(): Promise<void> {
    // a turn of the event loop: what arrived together is applied together
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    await this.#publish()
    try {
      await this.#options.dataPath.apply(this.#state())
      this.#lastFailure = undefined
    } catch (error) {
      this.#lastFailure = findAppError(error)?.detail ?? 'The network could not be set.'
      throw error
    }
  }

  async #publish(): Promise<void> {
    await this.#quietly('names', async () => {
      await this.#options.names?.publish()
    })
  }

  async #quietly(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#options.log.error({ err: error }, `${what} failed, tried again in a minute`)
    }
  }
}
