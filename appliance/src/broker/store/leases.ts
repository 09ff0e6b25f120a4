import { parseCidr, type Cidr, type Endpoint } from 'wireguard-ts/address'
import type { PresharedKey, PublicKey } from 'wireguard-ts/key'
import type { UnixSeconds } from '../../clock/clock.ts'
import { hex32, spanOf, type Span } from '../leases/pool.ts'
import type { EndReason, LeaseRecord, Source } from '../leases/record.ts'
import type { ClosedPorts, Identity, LeaseId } from '../types.ts'
import { maybe, numberOf, textOf, type BrokerDatabase, type Row } from './database.ts'

/** What may be told in the ledger. */
export type LedgerEvent = 'granted' | 'renewed' | 'rekeyed' | 'suspended' | 'resumed' | 'ended' | 'settled' | 'ports' | 'rate-cap'

export interface LedgerLine {
  position: number
  at: UnixSeconds
  lease: LeaseId
  event: LedgerEvent
  identity: Identity
  chainId: number
  contract: string
  prefix: Cidr
  peerKey: PublicKey
  source: string
  detail: string
}

/** Who held an address at a time, for an abuse report. */
export interface Holding {
  lease: LeaseRecord
  /** The key that stood at that moment. */
  keyThen: PublicKey
  lines: readonly LedgerLine[]
}

const held = '(ended_at IS NULL OR quarantine_until > ?)'

/** Leases and the ledger: each change of the one is a line of the other, in the same transaction. */
export class LeaseStore {
  readonly #db: BrokerDatabase

  constructor(db: BrokerDatabase) {
    this.#db = db
  }

  byId(id: string): LeaseRecord | undefined {
    return maybeRecord(this.#db.one('SELECT * FROM leases WHERE id = ?', id))
  }

  liveOf(identity: Identity): LeaseRecord | undefined {
    return maybeRecord(this.#db.one('SELECT * FROM leases WHERE identity = ? AND ended_at IS NULL', identity))
  }

  formerOf(identity: Identity): LeaseRecord | undefined {
    return maybeRecord(
      this.#db.one(
        'SELECT * FROM leases WHERE identity = ? AND ended_at IS NOT NULL ORDER BY ended_at DESC, rowid DESC LIMIT 1',
        identity,
      ),
    )
  }

  live(): LeaseRecord[] {
    return this.#db.all('SELECT * FROM leases WHERE ended_at IS NULL ORDER BY first').map(recordOf)
  }

  countLive(): number {
    return numberOf(this.#db.one('SELECT count(*) AS n FROM leases WHERE ended_at IS NULL')?.['n'])
  }

  all(): LeaseRecord[] {
    return this.#db.all('SELECT * FROM leases ORDER BY from_at, id').map(recordOf)
  }

  /** Who holds a key, live or in quarantine. */
  keyHolder(key: string, now: UnixSeconds): Identity | undefined {
    const row = this.#db.one(
      'SELECT identity FROM keys WHERE peer_key = ? AND (reserved_until IS NULL OR reserved_until > ?)',
      key,
      now,
    )
    return maybe(row?.['identity'], textOf) as Identity | undefined
  }

  /** Who holds any part of a network, live or in quarantine. */
  holderOf(span: Span, now: UnixSeconds, except?: Identity): Identity | undefined {
    const row = this.#db.one(
      `SELECT identity FROM leases WHERE first <= ? AND last >= ? AND ${held} AND identity IS NOT ? LIMIT 1`,
      hex32(span.last),
      hex32(span.first),
      now,
      except ?? null,
    )
    return maybe(row?.['identity'], textOf) as Identity | undefined
  }

  heldSpans(now: UnixSeconds): Span[] {
    return this.#db
      .all(`SELECT first, last FROM leases WHERE ${held} ORDER BY first`, now)
      .map((row) => ({ first: BigInt(`0x${textOf(row['first'])}`), last: BigInt(`0x${textOf(row['last'])}`) }))
  }

  insert(record: LeaseRecord): void {
    const { first, last } = spanOf(record.prefix)
    this.#db.transaction(() => {
      this.#db.run(
        'INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        record.id,
        record.identity,
        record.chainId,
        record.contract,
        record.prefix,
        hex32(first),
        hex32(last),
        record.peerKey,
        record.presharedKey ?? null,
        JSON.stringify(record.closed),
        record.rateCapBytesPerSecond ?? null,
        record.suspendedAt ?? null,
        record.suspendedWhy ?? null,
        record.from,
        record.until,
        record.graceUntil,
        null,
        null,
        null,
        record.settled ? 1 : 0,
        sourceText(record.source),
        null,
        null,
      )
      this.#reserve(record.peerKey, record.identity, null)
      this.#note(record, 'granted', record.from, `until ${new Date(record.until * 1000).toISOString()}`)
    })
  }

  renew(record: LeaseRecord, until: UnixSeconds, graceUntil: UnixSeconds, at: UnixSeconds): void {
    this.#db.transaction(() => {
      this.#db.run(
        'UPDATE leases SET until_at = ?, grace_until = ? WHERE id = ? AND ended_at IS NULL',
        until,
        graceUntil,
        record.id,
      )
      this.#note(record, 'renewed', at, `until ${new Date(until * 1000).toISOString()}`)
    })
  }

  /** Another key for the same prefix; the old one stays reserved for its host until `reservedUntil`. */
  rekey(record: LeaseRecord, key: PublicKey, at: UnixSeconds, reservedUntil: UnixSeconds): void {
    this.#db.transaction(() => {
      this.#db.run('UPDATE leases SET peer_key = ? WHERE id = ? AND ended_at IS NULL', key, record.id)
      this.#reserve(record.peerKey, record.identity, reservedUntil)
      this.#reserve(key, record.identity, null)
      this.#note({ ...record, peerKey: key }, 'rekeyed', at, `from ${record.peerKey}`)
    })
  }

  setPresharedKey(record: LeaseRecord, key: PresharedKey): void {
    this.#db.run('UPDATE leases SET preshared_key = ? WHERE id = ?', key, record.id)
  }

  end(record: LeaseRecord, reason: EndReason, at: UnixSeconds, quarantineUntil: UnixSeconds, detail = ''): void {
    this.#db.transaction(() => {
      this.#db.run(
        'UPDATE leases SET ended_at = ?, end_reason = ?, quarantine_until = ? WHERE id = ? AND ended_at IS NULL',
        at,
        reason,
        quarantineUntil,
        record.id,
      )
      this.#db.run('DELETE FROM endpoints WHERE lease = ?', record.id)
      this.#reserve(record.peerKey, record.identity, quarantineUntil)
      this.#note(record, 'ended', at, detail === '' ? reason : `${reason}: ${detail}`)
    })
  }

  suspend(record: LeaseRecord, why: string | undefined, at: UnixSeconds): void {
    this.#db.transaction(() => {
      this.#db.run(
        'UPDATE leases SET suspended_at = ?, suspended_why = ? WHERE id = ?',
        why === undefined ? null : at,
        why ?? null,
        record.id,
      )
      this.#note(record, why === undefined ? 'resumed' : 'suspended', at, why ?? '')
    })
  }

  setPolicy(record: LeaseRecord, closed: ClosedPorts, rateCap: number | undefined, at: UnixSeconds): void {
    this.#db.transaction(() => {
      this.#db.run('UPDATE leases SET closed = ?, rate_cap = ? WHERE id = ?', JSON.stringify(closed), rateCap ?? null, record.id)
      this.#note(record, 'ports', at, JSON.stringify({ closed, rateCapBytesPerSecond: rateCap ?? null }))
    })
  }

  settle(record: LeaseRecord, at: UnixSeconds): void {
    this.#db.transaction(() => {
      this.#db.run('UPDATE leases SET settled = 1 WHERE id = ?', record.id)
      this.#note(record, 'settled', at, '')
    })
  }

  handshake(id: LeaseId, at: UnixSeconds): void {
    this.#db.run(
      'UPDATE leases SET first_handshake = coalesce(first_handshake, ?1), last_handshake = ?1 WHERE id = ?2 AND coalesce(last_handshake, 0) < ?1',
      at,
      id,
    )
  }

  /** Where a host was seen last: a machine that was rebooted speaks to it first. Not kept beyond the lease. */
  seenAt(lease: LeaseId, endpoint: Endpoint): void {
    this.#db.run(
      `INSERT INTO endpoints VALUES (?1, ?2, ?3) ON CONFLICT (lease) DO UPDATE SET host = ?2, port = ?3 WHERE host <> ?2 OR port <> ?3`,
      lease,
      endpoint.host,
      endpoint.port,
    )
  }

  lastSeen(lease: LeaseId): Endpoint | undefined {
    const row = this.#db.one('SELECT host, port FROM endpoints WHERE lease = ?', lease)
    return row === undefined ? undefined : { host: textOf(row['host']), port: numberOf(row['port']) }
  }

  /** Who held an address at a time, or undefined. Ended and freed leases answer too. */
  heldAt(address: Cidr, at: UnixSeconds): Holding | undefined {
    const { first } = spanOf(address)
    const lease = maybeRecord(
      this.#db.one(
        'SELECT * FROM leases WHERE first <= ?1 AND last >= ?1 AND from_at <= ?2 AND (ended_at IS NULL OR ended_at > ?2) LIMIT 1',
        hex32(first),
        at,
      ),
    )
    if (lease === undefined) return undefined
    const lines = this.ledgerOf(lease.id)
    const keyThen = lines
      .filter((line) => line.at <= at && (line.event === 'granted' || line.event === 'rekeyed'))
      .at(-1)?.peerKey
    return { lease, keyThen: keyThen ?? lease.peerKey, lines }
  }

  ledgerOf(lease: LeaseId): LedgerLine[] {
    return this.#db.all('SELECT * FROM ledger WHERE lease = ? ORDER BY position', lease).map(lineOf)
  }

  /** The whole ledger, line by line: it may be long. */
  ledger(after = 0, limit = 1000): LedgerLine[] {
    return this.#db.all('SELECT * FROM ledger WHERE position > ? ORDER BY position LIMIT ?', after, limit).map(lineOf)
  }

  #reserve(key: string, identity: Identity, until: UnixSeconds | null): void {
    this.#db.run(
      `INSERT INTO keys VALUES (?, ?, ?)
       ON CONFLICT (peer_key) DO UPDATE SET identity = excluded.identity, reserved_until = excluded.reserved_until`,
      key,
      identity,
      until,
    )
  }

  #note(record: LeaseRecord, event: LedgerEvent, at: UnixSeconds, detail: string): void {
    this.#db.run(
      `INSERT INTO ledger (at, lease, event, identity, chain_id, contract, prefix, peer_key, source, detail)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      at,
      record.id,
      event,
      record.identity,
      record.chainId,
      record.contract,
      record.prefix,
      record.peerKey,
      sourceText(record.source),
      detail,
    )
  }
}

function sourceText(source: Source): string {
  return source.kind === 'http' ? 'http' : `chain:${source.requestId}`
}

function sourceOf(text: string): Source {
  return text === 'http' ? { kind: 'http' } : { kind: 'chain', requestId: BigInt(text.slice('chain:'.length)) }
}

function maybeRecord(row: Row | undefined): LeaseRecord | undefined {
  return row === undefined ? undefined : recordOf(row)
}

function recordOf(row: Row): LeaseRecord {
  return {
    id: textOf(row['id']) as LeaseId,
    identity: textOf(row['identity']) as Identity,
    chainId: numberOf(row['chain_id']),
    contract: textOf(row['contract']),
    prefix: parseCidr(textOf(row['prefix'])),
    peerKey: textOf(row['peer_key']) as PublicKey,
    presharedKey: maybe(row['preshared_key'], textOf) as PresharedKey | undefined,
    closed: JSON.parse(textOf(row['closed'])) as ClosedPorts,
    rateCapBytesPerSecond: maybe(row['rate_cap'], numberOf),
    suspendedAt: maybe(row['suspended_at'], numberOf),
    suspendedWhy: maybe(row['suspended_why'], textOf),
    from: numberOf(row['from_at']),
    until: numberOf(row['until_at']),
    graceUntil: numberOf(row['grace_until']),
    endedAt: maybe(row['ended_at'], numberOf),
    endReason: maybe(row['end_reason'], textOf) as EndReason | undefined,
    quarantineUntil: maybe(row['quarantine_until'], numberOf),
    settled: row['settled'] === 1,
    source: sourceOf(textOf(row['source'])),
    firstHandshakeAt: maybe(row['first_handshake'], numberOf),
    lastHandshakeAt: maybe(row['last_handshake'], numberOf),
  }
}

function lineOf(row: Row): LedgerLine {
  return {
    position: numberOf(row['position']),
    at: numberOf(row['at']),
    lease: textOf(row['lease']) as LeaseId,
    event: textOf(row['event']) as LedgerEvent,
    identity: textOf(row['identity']) as Identity,
    chainId: numberOf(row['chain_id']),
    contract: textOf(row['contract']),
    prefix: textOf(row['prefix']) as Cidr,
    peerKey: textOf(row['peer_key']) as PublicKey,
    source: textOf(row['source']),
    detail: textOf(row['detail']),
  }
}
