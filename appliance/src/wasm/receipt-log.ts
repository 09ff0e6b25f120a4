import type { KeyObject } from 'node:crypto'
import { leafHash, MerkleTree } from './protocol/merkle-tree.ts'
import { receiptHash, signHead, signReceipt, type Receipt } from './protocol/receipt.ts'
import type { LogEntry, WasmStore } from './wasm-store.ts'

/** What a proof needs, hashes in hex. */
export interface InclusionProof {
  index: number
  size: number
  hashes: string[]
  root: string
}

export interface NewReceipt {
  receipt: Omit<Receipt, 'index' | 'prev_hash'>
  owner: string
  /** Whose day's gas it counts for, where that is not the owner itself: the subscription. */
  payer?: string
  gas: bigint
  /** How the run ended: an error code of the wire, or `OK`. */
  code?: string
  /** Unix seconds. */
  now: number
  retentionSeconds: number
}

/** What the log keeps its receipts in. */
export type LogStore = Pick<WasmStore, 'append' | 'synced' | 'leaves' | 'leavesFrom' | 'lastCommittedAt'>

interface Waiting {
  entry: NewReceipt
  resolve(jws: string): void
  reject(error: unknown): void
}

/** Receipts in one transaction: the first of them waits for the last to be signed. */
const batchAtMost = 100

/**
 * The append-only log of receipts: signed, chained, kept before anybody hears of them. Appends stand in one order; those that
 * come while others are being written share the next transaction. Nobody hears of a receipt, and no head names it, before it is on
 * the disk. What is in the store after a crash is what the tree is made of
 * again.
 */
export class ReceiptLog {
  readonly #store: LogStore
  readonly #key: KeyObject
  readonly #keyId: string
  readonly #tree: MerkleTree
  #previous = '0'.repeat(64)
  #lastAt = 0
  readonly #waiting: Waiting[] = []
  #writing = false
  /** The disk did not take what was written: what of it is there only a new start can tell. */
  #failed: Error | undefined

  constructor(store: LogStore, key: KeyObject, keyId: string) {
    this.#store = store
    this.#key = key
    this.#keyId = keyId
    // a leaf is in the store before it is in the tree
    this.#tree = new MerkleTree((start, count) => store.leavesFrom(start, count))
    let last: Buffer | undefined
    for (const leaf of store.leaves()) this.#tree.append((last = leaf))
    // the chain goes on from the last leaf: it is a hash of the last receipt, whether or not its text is still kept
    if (last !== undefined) this.#previous = last.toString('hex')
    this.#lastAt = store.lastCommittedAt()
  }

  get size(): number {
    return this.#tree.size
  }

  /** Signs and keeps a receipt; resolves with its text. Rejects if it could not be kept: then nothing was counted either. */
  append(entry: NewReceipt): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    this.#waiting.push({ entry, resolve, reject })
    // what comes in the same turn of the loop, or while the disk is at work, shares a transaction
    if (!this.#writing) {
      this.#writing = true
      setImmediate(() => void this.#write())
    }
    return promise
  }

  proof(index: number, size = this.#tree.size): InclusionProof {
    return {
      index,
      size,
      hashes: this.#tree.inclusionProof(index, size).map((hash) => hash.toString('hex')),
      root: this.#tree.root(size).toString('hex'),
    }
  }

  /** A proof and the signed text of the very head it leads to: a root that nobody signed would prove nothing. */
  place(index: number): { proof: InclusionProof; head: string } {
    const { size, jws } = this.signedHead()
    return { proof: this.proof(index, size), head: jws }
  }

  /** Hashes in hex that show that the log of `from` receipts is the beginning of that of `to`. Throws RangeError. */
  consistency(from: number, to: number): string[] {
    return this.#tree.consistencyProof(from, to).map((hash) => hash.toString('hex'))
  }

  /** The newest root: size and hash. */
  head(): { size: number; root: string } {
    return { size: this.#tree.size, root: this.#tree.root().toString('hex') }
  }

  /**
   * The newest root, signed: two heads that do not fit together convict the host. `timestamp` (Unix seconds) is that of the last
   * receipt, so that the same log has the same head whoever asks and after a restart; 0 while it is empty.
   */
  signedHead(): { size: number; root: string; timestamp: number; jws: string } {
    const head = { ...this.head(), timestamp: this.#lastAt }
    return { ...head, jws: signHead(head, this.#key, this.#keyId) }
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, batchAtMost)
      try {
        if (this.#failed !== undefined) throw this.#failed
        const entries = this.#signed(batch.map(({ entry }) => entry))
        this.#store.append(entries)
        await this.#store.synced().catch((error: unknown) => {
          throw (this.#failed = new Error('the disk did not take a receipt', { cause: error }))
        })
        for (const { leaf } of entries) this.#tree.append(leaf)
        this.#previous = entries.at(-1)?.leaf.toString('hex') ?? this.#previous
        this.#lastAt = entries.at(-1)?.receipt.committedAt ?? this.#lastAt
        for (const [n, { resolve }] of batch.entries()) resolve(entries[n]?.receipt.jws ?? '')
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#writing = false
  }

  /** Each names the one before it, so they are signed in order. */
  #signed(batch: readonly NewReceipt[]): (LogEntry & { leaf: Buffer })[] {
    const entries: (LogEntry & { leaf: Buffer })[] = []
    let previous = this.#previous
    for (const { receipt, owner, payer = owner, gas, code = 'OK', now, retentionSeconds } of batch) {
      const index = this.#tree.size + entries.length
      const jws = signReceipt({ ...receipt, prev_hash: previous, index }, this.#key, this.#keyId)
      const leaf = leafHash(Buffer.from(jws))
      const { program, arguments: args, result } = receipt
      const commitments = { program, arguments: args, ...(result !== null && { result }), receipt: receiptHash(jws) }
      const kept = {
        index,
        requestId: receipt.request_id,
        owner,
        jws,
        commitments,
        committedAt: now,
        expiresAt: now + retentionSeconds,
      }
      entries.push({ receipt: kept, leaf, gas, payer, code })
      previous = leaf.toString('hex')
    }
    return entries
  }
}
