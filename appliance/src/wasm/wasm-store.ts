import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { promisify } from 'node:util'
import type { Scope, StoredApiKey } from './keys/api-keys.ts'

/** A receipt in the log, with the commitments that `/verify` answers for. Unix seconds. */
export interface StoredReceipt {
  index: number
  requestId: string
  /** Id of the API key that it belongs to. */
  owner: string
  jws: string
  commitments: Record<string, string>
  committedAt: number
  expiresAt: number
}

const schema = `
CREATE TABLE IF NOT EXISTS api_keys (
  id TEXT PRIMARY KEY, mac TEXT NOT NULL, scopes TEXT NOT NULL, wallet TEXT, label TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER, last_used_at INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS receipts (
  position INTEGER PRIMARY KEY, request_id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, leaf BLOB NOT NULL,
  jws TEXT, commitments TEXT, committed_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS receipts_by_expiry ON receipts (expires_at) WHERE jws IS NOT NULL;
CREATE TABLE IF NOT EXISTS usage (
  owner TEXT NOT NULL, day INTEGER NOT NULL, gas TEXT NOT NULL, runs INTEGER NOT NULL, PRIMARY KEY (owner, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
  day INTEGER NOT NULL, code TEXT NOT NULL, runs INTEGER NOT NULL, gas TEXT NOT NULL, PRIMARY KEY (day, code)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS receipts_by_owner ON receipts (owner, position);
`

/** A receipt on its way into the log. */
export interface LogEntry {
  receipt: StoredReceipt
  leaf: Uint8Array
  gas: bigint
  /** Whose day's gas it counts for. */
  payer: string
  /** How the run ended: an error code of the wire, or `OK`. */
  code: string
}

interface Counted {
  day: number
  name: string
  gas: bigint
  runs: number
}

const rowsInMemory = 10_000
const toDisk = promisify(fdatasync)

/**
 * What the hosting service keeps: API keys, the log of receipts, usage by day. A database of its own, in the service's own
 * folder: the daemon's holds other people's money. A write is in the write-ahead log when its method returns and on the disk when
 * `synced` resolves: full synchronisation (sqlite.org/pragma.html#pragma_synchronous) would wait for the disk in the thread that
 * answers everybody.
 */
export class WasmStore {
  readonly #db: DatabaseSync
  /** Those in the path of every call. */
  readonly #statements: Record<
    'begin' | 'commit' | 'key' | 'receipt' | 'usage' | 'used' | 'outcome' | 'count' | 'leaves',
    StatementSync
  >

  /** Rows of API keys as they stand: each call asks for one, and nobody but this object writes them. */
  readonly #keys = new Map<string, StoredApiKey>()
  /** Usage by day and payer, in the same way. */
  readonly #used = new Map<string, { gas: bigint; runs: number }>()

  readonly #path: string
  #log: number | undefined

  constructor(path: string) {
    this.#path = path
    this.#db = new DatabaseSync(path)
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;')
    this.#db.exec(schema)
    this.#statements = {
      begin: this.#db.prepare('BEGIN IMMEDIATE'),
      commit: this.#db.prepare('COMMIT'),
      key: this.#db.prepare('SELECT * FROM api_keys WHERE id = ?'),
      receipt: this.#db.prepare('INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
      usage: this.#db.prepare(
        'INSERT INTO usage VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET gas = excluded.gas, runs = excluded.runs',
      ),
      leaves: this.#db.prepare('SELECT leaf FROM receipts WHERE position >= ? AND position < ? ORDER BY position'),
      used: this.#db.prepare('SELECT gas, runs FROM usage WHERE owner = ? AND day = ?'),
      outcome: this.#db.prepare('SELECT runs, gas FROM outcomes WHERE day = ? AND code = ?'),
      count: this.#db.prepare(
        'INSERT INTO outcomes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET gas = excluded.gas, runs = excluded.runs',
      ),
    }
  }

  close(): void {
    if (this.#log !== undefined) closeSync(this.#log)
    this.#db.close()
  }

  /**
   * Resolves when all that was written before is on the disk. SQLite writes nothing but this file between two checkpoints, and
   * brings it to the disk by itself before each of them (sqlite.org/wal.html). Rejects if the disk does not take it: then nobody
   * knows what of it is there.
   */
  async synced(): Promise<void> {
    await toDisk(this.#logFile())
  }

  /** The write-ahead log: SQLite locks another file, so that closing this one loses no lock. */
  #logFile(): number {
    return (this.#log ??= openSync(`${this.#path}-wal`, 'r'))
  }

  addKey(key: StoredApiKey): void {
    this.#db
      .prepare('INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        key.id,
        key.mac,
        key.scopes.join(' '),
        key.wallet,
        key.label,
        key.createdAt,
        key.expiresAt,
        key.revokedAt,
        key.lastUsedAt,
      )
    // keys are few, and one that was shown or revoked stays so
    fdatasyncSync(this.#logFile())
  }

  key(id: string): StoredApiKey | undefined {
    const held = this.#keys.get(id)
    if (held !== undefined) return held
    const row = this.#statements.key.get(id)
    if (row === undefined) return undefined
    const key = keyOf(row)
    if (this.#keys.size >= rowsInMemory) this.#keys.clear()
    this.#keys.set(id, key)
    return key
  }

  keys(): StoredApiKey[] {
    return this.#db.prepare('SELECT * FROM api_keys ORDER BY created_at, id').all().map(keyOf)
  }

  /** Ends a key at a time, now or later (rotation). False if there is none. */
  revokeKey(id: string, at: number): boolean {
    this.#keys.delete(id)
    const { changes } = this.#db
      .prepare('UPDATE api_keys SET revoked_at = min(coalesce(revoked_at, ?2), ?2) WHERE id = ?1')
      .run(id, at)
    fdatasyncSync(this.#logFile())
    return changes === 1
  }

  touchKey(id: string, at: number): void {
    this.#keys.delete(id)
    this.#db.prepare('UPDATE api_keys SET last_used_at = ? WHERE id = ?').run(at, id)
  }

  keysOf(wallet: string): StoredApiKey[] {
    return this.#db.prepare('SELECT * FROM api_keys WHERE wallet = ? ORDER BY created_at, id').all(wallet).map(keyOf)
  }

  /**
   * Appends to the log and counts the gas in one transaction: neither is there without the other, and either all of them are
   * there or none. On the disk they are with `synced`.
   */
  append(entries: readonly LogEntry[]): void {
    this.#statements.begin.run()
    try {
      for (const entry of entries) this.#append(entry)
      this.#count(entries)
      this.#statements.commit.run()
    } catch (error) {
      // what was counted in memory did not come to be
      this.#used.clear()
      this.#db.exec('ROLLBACK')
      throw error
    }
  }

  #append({ receipt, leaf }: LogEntry): void {
    this.#statements.receipt.run(
      receipt.index,
      receipt.requestId,
      receipt.owner,
      leaf,
      receipt.jws,
      JSON.stringify(receipt.commitments),
      receipt.committedAt,
      receipt.expiresAt,
    )
  }

  /** What the entries add to days, payers and outcomes: each row is read and written once. */
  #count(entries: readonly LogEntry[]): void {
    const [usage, outcomes] = [new Map<string, Counted>(), new Map<string, Counted>()]
    for (const { receipt, gas, payer, code } of entries) {
      const day = Math.floor(receipt.committedAt / 86_400)
      for (const [rows, name] of [
        [usage, payer],
        [outcomes, code],
      ] as const) {
        const row = rows.get(`${day} ${name}`) ?? { day, name, gas: 0n, runs: 0 }
        row.gas += gas
        row.runs += 1
        rows.set(`${day} ${name}`, row)
      }
    }
    for (const { day, name, gas, runs } of usage.values()) {
      const before = this.usage(name, day)
      this.#statements.usage.run(name, day, String(before.gas + gas), before.runs + runs)
      this.#used.set(`${day} ${name}`, { gas: before.gas + gas, runs: before.runs + runs })
    }
    for (const { day, name, gas, runs } of outcomes.values()) {
      const before = this.#statements.outcome.get(day, name)
      const total = String(BigInt(String(before?.['gas'] ?? 0)) + gas)
      this.#statements.count.run(day, name, Number(before?.['runs'] ?? 0) + runs, total)
    }
  }

  usage(owner: string, day: number): { gas: bigint; runs: number } {
    const name = `${day} ${owner}`
    const held = this.#used.get(name)
    if (held !== undefined) return held
    const row = this.#statements.used.get(owner, day)
    const used = row === undefined ? { gas: 0n, runs: 0 } : { gas: BigInt(String(row['gas'])), runs: Number(row['runs']) }
    if (this.#used.size >= rowsInMemory) this.#used.clear()
    this.#used.set(name, used)
    return used
  }

  /** How the runs of a day ended. */
  outcomes(day: number): { code: string; runs: number; gas: bigint }[] {
    return this.#db
      .prepare('SELECT code, runs, gas FROM outcomes WHERE day = ? ORDER BY code')
      .all(day)
      .map((row) => ({ code: String(row['code']), runs: Number(row['runs']), gas: BigInt(String(row['gas'])) }))
  }

  receipt(requestId: string): StoredReceipt | undefined {
    const row = this.#db.prepare('SELECT * FROM receipts WHERE request_id = ? AND jws IS NOT NULL').get(requestId)
    return row === undefined ? undefined : receiptOf(row)
  }

  /** Receipts of an owner that are still kept, newest first, before a place in the log. */
  receiptsOf(owner: string, { before = Number.MAX_SAFE_INTEGER, limit = 50 } = {}): StoredReceipt[] {
    return this.#db
      .prepare('SELECT * FROM receipts WHERE owner = ? AND position < ? AND jws IS NOT NULL ORDER BY position DESC LIMIT ?')
      .all(owner, before, limit)
      .map(receiptOf)
  }

  /** Forgets what receipts said; their hashes stay, so that the log keeps its shape and its proofs. */
  forgetExpired(now: number): number {
    return Number(
      this.#db.prepare('UPDATE receipts SET jws = NULL, commitments = NULL WHERE jws IS NOT NULL AND expires_at <= ?').run(now)
        .changes,
    )
  }

  /** All leaves in order: the tree is made of them at start. */
  *leaves(): Generator<Buffer> {
    for (const row of this.#db.prepare('SELECT leaf FROM receipts ORDER BY position').iterate())
      yield Buffer.from(row['leaf'] as Uint8Array)
  }

  /** Leaves from a place of the log on; fewer than asked for at its end. */
  leavesFrom(start: number, count: number): Buffer[] {
    return this.#statements.leaves.all(start, start + count).map((row) => Buffer.from(row['leaf'] as Uint8Array))
  }

  /** The leaf at a place of the log, or undefined. */
  leaf(index: number): Buffer | undefined {
    const row = this.#db.prepare('SELECT leaf FROM receipts WHERE position = ?').get(index)
    return row === undefined ? undefined : Buffer.from(row['leaf'] as Uint8Array)
  }

  /** Unix seconds of the newest receipt; 0 if there is none. */
  lastCommittedAt(): number {
    return Number(this.#db.prepare('SELECT committed_at AS at FROM receipts ORDER BY position DESC LIMIT 1').get()?.['at'] ?? 0)
  }

  kept(): number {
    return Number(this.#db.prepare('SELECT count(*) AS n FROM receipts WHERE jws IS NOT NULL').get()?.['n'] ?? 0)
  }
}

function receiptOf(row: Record<string, unknown>): StoredReceipt {
  return {
    index: Number(row['position']),
    requestId: String(row['request_id']),
    owner: String(row['owner']),
    jws: String(row['jws']),
    commitments: JSON.parse(String(row['commitments'])) as Record<string, string>,
    committedAt: Number(row['committed_at']),
    expiresAt: Number(row['expires_at']),
  }
}

function keyOf(row: Record<string, unknown>): StoredApiKey {
  const time = (value: unknown): number | null => (value === null ? null : Number(value))
  return {
    id: String(row['id']),
    mac: String(row['mac']),
    scopes: String(row['scopes']).split(' ') as Scope[],
    wallet: typeof row['wallet'] === 'string' ? row['wallet'] : null,
    label: String(row['label']),
    createdAt: Number(row['created_at']),
    expiresAt: time(row['expires_at']),
    revokedAt: time(row['revoked_at']),
    lastUsedAt: time(row['last_used_at']),
  }
}
