import type { UnixSeconds } from '../clock/clock.ts'
import type { Transaction } from '../generated/prisma/client.ts'
import type { Database } from './database.ts'
import { column, seconds } from './json.ts'

/** One signed form of a transaction; a replacement adds another with the same nonce. */
export interface SignedForm {
  hash: string
  raw: string
  /** Highest fee it can cost, in wei. */
  maxCost: bigint
  /** The block number at which it was signed. */
  block: number
}

export type TransactionState =
  /** Persisted, nothing signed. */
  | 'intended'
  /** Signed and persisted; perhaps sent. */
  | 'signed'
  | 'mined'
  | 'refused'
  /** Its nonce was used by a transaction that is not ours. */
  | 'lost'

/** What the provisioner means to do, and how far it got. */
export interface StoredTransaction {
  id: string
  /** Whose nonces these are: `<chainId>:<address of the key>`. One key may serve several contracts. */
  account: string
  /** Which contract it is for. */
  installation: string
  verb: 'activate' | 'reject' | 'end'
  tokenId: bigint
  nonce: number | null
  forms: readonly SignedForm[]
  state: TransactionState
  /** What it cost once mined, in wei; before, the most that it can cost. */
  feeSpent: bigint
  /** Why it was refused. */
  reason: string | null
  createdAt: UnixSeconds
  sentAt: UnixSeconds | null
  minedBlock: number | null
  minedHash: string | null
}

export interface TransactionRepository {
  put(transaction: StoredTransaction): Promise<void>
  get(id: string): Promise<StoredTransaction | undefined>
  /** The newest of these that is neither refused nor lost. */
  find(intent: Pick<StoredTransaction, 'account' | 'installation' | 'verb' | 'tokenId'>): Promise<StoredTransaction | undefined>
  /** `intended` and `signed`, by nonce and age. */
  unfinished(account: string): Promise<StoredTransaction[]>
  /** All signed for the nonces `from` ≤ n < `before`, whatever became of them, by nonce and age. */
  atNonces(account: string, from: number, before: number): Promise<StoredTransaction[]>
  /** Sum of feeSpent, in wei, of all that was sent since `since`. */
  spentSince(account: string, since: UnixSeconds): Promise<bigint>
  /** Highest nonce ever signed for, or undefined. */
  highestNonce(account: string): Promise<number | undefined>
  /** Newest first, for the operator. */
  recent(limit: number): Promise<StoredTransaction[]>
}

type JsonForm = Omit<SignedForm, 'maxCost'> & { maxCost: string }

function toRow(t: StoredTransaction): Transaction {
  return {
    id: t.id,
    account: t.account,
    installation: t.installation,
    verb: t.verb,
    tokenId: t.tokenId.toString(),
    nonce: t.nonce,
    forms: JSON.stringify(t.forms.map((form): JsonForm => ({ ...form, maxCost: form.maxCost.toString() }))),
    state: t.state,
    feeSpent: t.feeSpent.toString(),
    reason: t.reason,
    createdAt: BigInt(t.createdAt),
    sentAt: column(t.sentAt),
    minedBlock: column(t.minedBlock),
    minedHash: t.minedHash,
  }
}

function fromRow(row: Transaction): StoredTransaction {
  const forms = JSON.parse(row.forms) as JsonForm[]
  return {
    id: row.id,
    account: row.account,
    installation: row.installation,
    verb: row.verb as StoredTransaction['verb'],
    tokenId: BigInt(row.tokenId),
    nonce: row.nonce,
    forms: forms.map((form) => ({ ...form, maxCost: BigInt(form.maxCost) })),
    state: row.state as TransactionState,
    feeSpent: BigInt(row.feeSpent),
    reason: row.reason,
    createdAt: Number(row.createdAt),
    sentAt: seconds(row.sentAt),
    minedBlock: seconds(row.minedBlock),
    minedHash: row.minedHash,
  }
}

export function createTransactions(db: Database): TransactionRepository {
  return {
    async put(transaction) {
      const row = toRow(transaction)
      await db.queries.transaction.upsert({ where: { id: row.id }, create: row, update: row })
    },
    async get(id) {
      const row = await db.queries.transaction.findUnique({ where: { id } })
      return row === null ? undefined : fromRow(row)
    },
    async find({ account, installation, verb, tokenId }) {
      const row = await db.queries.transaction.findFirst({
        where: { account, installation, verb, tokenId: tokenId.toString(), state: { notIn: ['refused', 'lost'] } },
        orderBy: { createdAt: 'desc' },
      })
      return row === null ? undefined : fromRow(row)
    },
    async unfinished(account) {
      const rows = await db.queries.transaction.findMany({
        where: { account, state: { in: ['intended', 'signed'] } },
        orderBy: [{ nonce: { sort: 'asc', nulls: 'last' } }, { createdAt: 'asc' }],
      })
      return rows.map(fromRow)
    },
    async atNonces(account, from, before) {
      const rows = await db.queries.transaction.findMany({
        where: { account, nonce: { gte: from, lt: before } },
        orderBy: [{ nonce: 'asc' }, { createdAt: 'asc' }],
      })
      return rows.map(fromRow)
    },
    async spentSince(account, since) {
      // summed here: SQLite would make a float of it
      const rows = await db.queries.transaction.findMany({
        where: { account, sentAt: { gte: BigInt(since) } },
        select: { feeSpent: true },
      })
      return rows.reduce((sum, { feeSpent }) => sum + BigInt(feeSpent), 0n)
    },
    async highestNonce(account) {
      const { _max } = await db.queries.transaction.aggregate({ where: { account }, _max: { nonce: true } })
      return _max.nonce ?? undefined
    },
    async recent(limit) {
      return (await db.queries.transaction.findMany({ orderBy: { createdAt: 'desc' }, take: limit })).map(fromRow)
    },
  }
}
