import { parseCidr, type Cidr } from 'wireguard-ts/address'
import { WireGuardError } from 'wireguard-ts/errors'
import type { UnixSeconds } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { spanOf } from '../leases/pool.ts'
import type { LeaseRecord } from '../leases/record.ts'
import { numberOf, textOf, type BrokerDatabase } from '../store/database.ts'
import type { LeaseStore } from '../store/leases.ts'
import type { Identity } from '../types.ts'
import { parseLabel } from './label.ts'

/** One name as it is served. */
export interface NameRow {
  label: string
  identity: Identity
  /** Without length. */
  address: string
}

/** One proof for a certificate (RFC 8555 §8.4), below `_acme-challenge.<label>`. */
export interface ChallengeRow {
  label: string
  value: string
  until: UnixSeconds
}

export const namesPerLease = 1000
const challengesPerLease = 20
const challengeSeconds = 3600

/** Names of leases, one table. A name belongs to an installation while its lease lives; look-alikes of another's are refused. */
export class NameBook {
  readonly #db: BrokerDatabase
  readonly #leases: LeaseStore

  constructor(db: BrokerDatabase, leases: LeaseStore) {
    this.#db = db
    this.#leases = leases
  }

  /**
   * Gives a label to an address of the asker's own prefix, or moves it there. Throws `broker-name-refused`, `broker-no-lease`,
   * `bad-input`; nothing changed.
   */
  set(identity: Identity, typed: string, address: string, now: UnixSeconds): NameRow {
    const lease = this.#lease(identity)
    const { text, skeleton } = parseLabel(typed)
    const inside = addressIn(lease, address)
    return this.#db.transaction(() => {
      const [taken] = this.#db.all('SELECT label, identity FROM names WHERE skeleton = ?', skeleton)
      if (taken !== undefined && (taken['identity'] !== identity || taken['label'] !== text)) {
        const label = textOf(taken['label'])
        throw refused(label === text ? `${text} is taken` : `${text} looks like ${label}, which is taken`)
      }
      const count = numberOf(this.#db.one('SELECT count(*) AS n FROM names WHERE identity = ?', identity)?.['n'])
      if (taken === undefined && count >= namesPerLease) throw refused(`the lease has ${count} names already, which is the most`)
      this.#db.run('INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?)', text, skeleton, identity, inside, now)
      return { label: text, identity, address: inside }
    })
  }

  /** Takes a label back. False if it is not the asker's. */
  remove(identity: Identity, label: string): boolean {
    const name = label.toLowerCase()
    this.#db.run('DELETE FROM challenges WHERE identity = ? AND name = ?', identity, name)
    return this.#db.run('DELETE FROM names WHERE identity = ? AND label = ?', identity, name) === 1
  }

  /** Puts a proof for a certificate of a name that the asker holds; gone after an hour. Throws `broker-name-refused`, `bad-input`. */
  prove(identity: Identity, label: string, value: string, now: UnixSeconds): ChallengeRow {
    this.#lease(identity)
    const { text } = parseLabel(label)
    if (this.#db.one('SELECT 1 FROM names WHERE label = ? AND identity = ?', text, identity) === undefined) {
      throw refused(`${text} is not a name of this installation`)
    }
    if (!/^[A-Za-z0-9_-]{43}$/.test(value)) {
      const detail = `${JSON.stringify(value.slice(0, 60))} is no digest of a key authorization (43 characters of base64url)`
      throw new AppError({
        code: 'bad-input',
        detail,
        hint: 'Send the value that the ACME client prints.',
        fields: [{ pointer: '/value', detail }],
      })
    }
    const until = now + challengeSeconds
    return this.#db.transaction(() => {
      this.#db.run('DELETE FROM challenges WHERE until_at <= ?', now)
      const count = numberOf(this.#db.one('SELECT count(*) AS n FROM challenges WHERE identity = ?', identity)?.['n'])
      if (count >= challengesPerLease) throw refused(`the lease has ${count} proofs open already, which is the most`)
      this.#db.run('INSERT OR REPLACE INTO challenges VALUES (?, ?, ?, ?)', text, value, identity, until)
      return { label: text, value, until }
    })
  }

  /** All names of leases that live and are not suspended: what is published. */
  served(): NameRow[] {
    return this.#db
      .all(
        `SELECT names.label, names.identity, names.address FROM names JOIN leases ON leases.identity = names.identity
         WHERE leases.ended_at IS NULL AND leases.suspended_at IS NULL ORDER BY names.label`,
      )
      .map((row) => ({
        label: textOf(row['label']),
        identity: textOf(row['identity']) as Identity,
        address: textOf(row['address']),
      }))
  }

  challenges(now: UnixSeconds): ChallengeRow[] {
    return this.#db
      .all(
        `SELECT challenges.name, challenges.value, challenges.until_at FROM challenges JOIN leases ON leases.identity = challenges.identity
         WHERE leases.ended_at IS NULL AND leases.suspended_at IS NULL AND challenges.until_at > ? ORDER BY name, value`,
        now,
      )
      .map((row) => ({ label: textOf(row['name']), value: textOf(row['value']), until: numberOf(row['until_at']) }))
  }

  #lease(identity: Identity): LeaseRecord {
    const lease = this.#leases.liveOf(identity)
    if (lease !== undefined) return lease
    throw new AppError({ code: 'broker-no-lease', detail: `The installation ${identity} holds no lease here.` })
  }
}

function addressIn(lease: LeaseRecord, text: string): string {
  const fail = (detail: string): AppError =>
    new AppError({
      code: 'bad-input',
      detail,
      hint: `Name an address of ${lease.prefix}.`,
      fields: [{ pointer: '/address', detail }],
    })
  let network: Cidr
  try {
    if (text.includes('/')) throw fail(`${JSON.stringify(text.slice(0, 60))} is no single address`)
    network = parseCidr(text)
  } catch (cause) {
    if (cause instanceof WireGuardError) throw fail(cause.message)
    throw cause
  }
  if (!network.includes(':')) throw fail(`${network} is no IPv6 address`)
  const { first } = spanOf(network)
  const prefix = spanOf(lease.prefix)
  if (first < prefix.first || first > prefix.last) throw fail(`${text} is not in the lease's prefix`)
  return network.split('/')[0] ?? ''
}

function refused(detail: string): AppError {
  return new AppError({ code: 'broker-name-refused', detail })
}
