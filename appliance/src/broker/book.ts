import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { generatePresharedKey, type PublicKey } from 'wireguard-ts/key'
import { installationId } from '../chain/installation.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { pickFree, spanOf, type Pool } from './leases/pool.ts'
import type { EndReason, LeaseRecord, Source } from './leases/record.ts'
import { allows } from './leases/state.ts'
import type { Terms } from './leases/terms.ts'
import { decide } from './requests/decide.ts'
import type { BrokerRequest } from './requests/request.ts'
import { maybe, numberOf, textOf, type BrokerDatabase } from './store/database.ts'
import { LeaseStore } from './store/leases.ts'
import { defaultClosedPorts, type Identity, type LeaseCounters, type LeaseId } from './types.ts'

/** A request whose asker is known. */
export interface Asked {
  request: BrokerRequest
  /** Whether this request was paid for on chain. */
  paid: boolean
  /** Listed by the registry or in the operator's own list; `Book` adds the latter. */
  listed: boolean
  source: Source
  /** False while the request on chain is not finalized. */
  settled: boolean
}

export interface BookOptions {
  db: BrokerDatabase
  pool: Pool
  terms: Terms
  /** Random number below a bound. */
  random(below: bigint): bigint
  /** 8 random bytes. */
  randomBytes(): Uint8Array
}

/**
 * The leases and what happens to them, all synchronous: a request is decided and written in one transaction. Knows no network;
 * what the data path must do follows from `live`.
 */
export class Book {
  readonly leases: LeaseStore
  readonly pool: Pool
  readonly terms: Terms
  readonly #db: BrokerDatabase
  readonly #options: BookOptions

  constructor(options: BookOptions) {
    this.#options = options
    this.#db = options.db
    this.pool = options.pool
    this.terms = options.terms
    this.leases = new LeaseStore(options.db)
  }

  /**
   * Decides and writes. The lease as it stands afterwards. Throws what `decide` throws, and `broker-replayed`; after a throw nothing
   * is changed. The same request again is answered again.
   */
  handle({ request, paid, listed, source, settled }: Asked, now: UnixSeconds): LeaseRecord {
    const identity = installationId(request.chainId, request.contract) as Identity
    return this.#db.transaction(() => {
      const repeated = this.#advance(identity, request)
      const live = this.leases.liveOf(identity)
      // killed or cut off before the answer: what was done is told, and never done twice
      if (repeated && request.verb === 'release' && live === undefined) {
        const former = this.leases.formerOf(identity)
        if (former !== undefined) return former
      } else if (repeated && live !== undefined && live.peerKey === request.wireguardKey) return live
      const decision = decide(
        request,
        {
          now,
          identity,
          paid,
          admitted: paid || listed || this.isAdmitted(identity),
          live,
          former: this.leases.formerOf(identity),
          keyHolder: this.leases.keyHolder(request.wireguardKey, now),
          holderOf: (network) =>
            this.leases.holderOf(spanOf(network), now, identity) ?? this.leases.holderOf(spanOf(network), now),
          pick: (length) =>
            pickFree(
              this.pool,
              length,
              this.#options.random,
              (span) => this.leases.holderOf(span, now) !== undefined,
              () => this.leases.heldSpans(now),
            ),
        },
        this.pool,
        this.terms,
      )
      switch (decision.kind) {
        case 'tell':
          return decision.lease
        case 'release':
          this.#end(decision.lease, 'released', now)
          return this.#again(decision.lease)
        case 'keep': {
          const { lease, key, until, graceUntil } = decision
          if (key !== undefined) this.leases.rekey(lease, key, now, now + this.terms.quarantineSeconds)
          if (until !== lease.until || graceUntil !== lease.graceUntil) this.leases.renew(lease, until, graceUntil, now)
          if (request.presharedKey === true && (lease.presharedKey === undefined || key !== undefined)) {
            this.leases.setPresharedKey(lease, generatePresharedKey())
          }
          return this.#again(lease)
        }
        case 'grant': {
          const record: LeaseRecord = {
            id: `l-${Buffer.from(this.#options.randomBytes()).toString('hex')}` as LeaseId,
            identity,
            chainId: request.chainId,
            contract: request.contract,
            prefix: decision.prefix,
            peerKey: request.wireguardKey as PublicKey,
            presharedKey: request.presharedKey === true ? generatePresharedKey() : undefined,
            closed: defaultClosedPorts,
            rateCapBytesPerSecond: undefined,
            suspendedAt: undefined,
            suspendedWhy: undefined,
            from: now,
            until: decision.until,
            graceUntil: decision.graceUntil,
            endedAt: undefined,
            endReason: undefined,
            quarantineUntil: undefined,
            settled,
            source,
            firstHandshakeAt: undefined,
            lastHandshakeAt: undefined,
          }
          this.leases.insert(record)
          return record
        }
        default: {
          const never: never = decision
          throw new TypeError(String(never))
        }
      }
    })
  }

  /** A change of names under the sequence of the installation, all or nothing. Throws `broker-replayed` and what `work` throws. */
  named<T>(identity: Identity, request: { sequence: number }, work: () => T): T {
    return this.#db.transaction(() => {
      this.#advance(identity, request)
      return work()
    })
  }

  /** Ends what is over at `now`: the time of taking, never later than a finalized block. Returns what was ended. */
  endDue(now: UnixSeconds): LeaseRecord[] {
    const due = this.leases.live().flatMap((lease): [LeaseRecord, EndReason][] => {
      if (now >= lease.graceUntil) return [[lease, 'expired']]
      const silent = lease.firstHandshakeAt === undefined && now >= lease.from + this.terms.firstHandshakeSeconds
      return silent ? [[lease, 'never-connected']] : []
    })
    for (const [lease, reason] of due) this.#end(lease, reason, now)
    return due.map(([lease]) => lease)
  }

  /** By the broker's operator. Throws `broker-no-lease` or `not-in-this-state`. */
  suspend(id: string, why: string, now: UnixSeconds): LeaseRecord {
    const lease = this.live(id)
    if (!allows('suspend', lease, now)) throw wrongState(lease, 'suspended already')
    this.leases.suspend(lease, why, now)
    return this.#again(lease)
  }

  resume(id: string, now: UnixSeconds): LeaseRecord {
    const lease = this.live(id)
    if (!allows('resume', lease, now)) throw wrongState(lease, 'not suspended')
    this.leases.suspend(lease, undefined, now)
    return this.#again(lease)
  }

  release(id: string, why: string, now: UnixSeconds): LeaseRecord {
    const lease = this.live(id)
    this.#end(lease, 'operator', now, why)
    return this.#again(lease)
  }

  setPolicy(id: string, policy: { closed?: LeaseRecord['closed']; rateCap?: number | null }, now: UnixSeconds): LeaseRecord {
    const lease = this.live(id)
    const cap = policy.rateCap === undefined ? lease.rateCapBytesPerSecond : (policy.rateCap ?? undefined)
    this.leases.setPolicy(lease, policy.closed ?? lease.closed, cap, now)
    return this.#again(lease)
  }

  /** A lease whose request is no longer on the chain, at a finalized block: it was never asked for. */
  endReorganised(lease: LeaseRecord, now: UnixSeconds): void {
    this.#end(lease, 'reorganised', now)
  }

  /** Keeps what the network tells of the hosts, in one transaction. */
  learn(counters: readonly LeaseCounters[]): void {
    this.#db.transaction(() => {
      for (const { lease, lastHandshakeAt, endpoint } of counters) {
        if (lastHandshakeAt !== undefined) this.leases.handshake(lease, lastHandshakeAt)
        if (endpoint !== undefined) this.leases.seenAt(lease, endpoint)
      }
    })
  }

  /** A live lease by its id. Throws `broker-no-lease`. */
  live(id: string): LeaseRecord {
    const lease = this.leases.byId(id)
    if (lease === undefined || lease.endedAt !== undefined) {
      throw new AppError({
        code: 'broker-no-lease',
        detail: `There is no live lease ${id.slice(0, 40)}.`,
        hint: 'List them: freehold-broker leases.',
      })
    }
    return lease
  }

  isAdmitted(identity: Identity): boolean {
    return this.#db.one('SELECT 1 FROM admitted WHERE identity = ?', identity) !== undefined
  }

  admit(identity: Identity, note: string, now: UnixSeconds): void {
    this.#db.run(
      'INSERT INTO admitted VALUES (?, ?, ?) ON CONFLICT (identity) DO UPDATE SET note = excluded.note',
      identity,
      note,
      now,
    )
  }

  /** Takes an installation off the list; its lease stands to its end. */
  dismiss(identity: Identity): boolean {
    return this.#db.run('DELETE FROM admitted WHERE identity = ?', identity) === 1
  }

  admitted(): { identity: Identity; note: string; at: UnixSeconds }[] {
    return this.#db
      .all('SELECT * FROM admitted ORDER BY at, identity')
      .map((row) => ({ identity: textOf(row['identity']) as Identity, note: textOf(row['note']), at: numberOf(row['at']) }))
  }

  #end(lease: LeaseRecord, reason: EndReason, now: UnixSeconds, detail = ''): void {
    this.#db.transaction(() => {
      this.leases.end(lease, reason, now, now + this.terms.quarantineSeconds, detail)
      // no name outlives its address
      this.#db.run('DELETE FROM names WHERE identity = ?', lease.identity)
      this.#db.run('DELETE FROM challenges WHERE identity = ?', lease.identity)
    })
  }

  #again(lease: LeaseRecord): LeaseRecord {
    const record = this.leases.byId(lease.id)
    if (record === undefined) throw new TypeError('a lease cannot vanish')
    return record
  }

  /** Each request once: a lower number, or the same with another content, is a replay. True for the very same once more. */
  #advance(identity: Identity, request: { sequence: number }): boolean {
    const row = this.#db.one('SELECT sequence, digest FROM sequences WHERE identity = ?', identity)
    const last = maybe(row?.['sequence'], numberOf)
    const digest = createHash('sha256')
      .update(canonicalize(request) ?? '')
      .digest('hex')
    if (last !== undefined && (request.sequence < last || (request.sequence === last && row?.['digest'] !== digest))) {
      throw new AppError({
        code: 'broker-replayed',
        detail: `The request has sequence ${request.sequence}; the last one had ${last}.`,
        hint: `Ask again with ${last + 1} or more.`,
      })
    }
    this.#db.run(
      'INSERT INTO sequences VALUES (?, ?, ?) ON CONFLICT (identity) DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest',
      identity,
      request.sequence,
      digest,
    )
    return last === request.sequence
  }
}

function wrongState(lease: LeaseRecord, what: string): AppError {
  return new AppError({ code: 'not-in-this-state', detail: `The lease ${lease.id} is ${what}.` })
}
