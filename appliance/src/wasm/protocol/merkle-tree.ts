import { createHash } from 'node:crypto'

/** The hash tree of an append-only log (RFC 9162 §2.1): leaves are hashed with a 0 before them, nodes with a 1. */
export type Hash = Buffer

export function leafHash(content: Uint8Array): Hash {
  return createHash('sha256')
    .update(Buffer.from([0]))
    .update(content)
    .digest()
}

function nodeHash(left: Hash, right: Hash): Hash {
  return createHash('sha256')
    .update(Buffer.from([1]))
    .update(left)
    .update(right)
    .digest()
}

/** Hashes side by side in one buffer: as objects of their own each would take ten times its 32 bytes. */
class HashList {
  #bytes = Buffer.alloc(32 * 16)
  length = 0

  push(hash: Hash): void {
    const at = this.length * 32
    if (at === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(at)])
    hash.copy(this.#bytes, at)
    this.length += 1
  }

  at(index: number): Hash | undefined {
    return index < this.length ? Buffer.from(this.#bytes.subarray(index * 32, index * 32 + 32)) : undefined
  }
}

/** Hashes of leaves from `start` on, so many as asked for: those of a tree that does not keep them itself. */
export type ReadLeaves = (start: number, count: number) => readonly Hash[]

/** Leaves of a block, the smallest subtree whose hash is kept. */
const blockLeaves = 32

/**
 * Keeps the hashes of complete subtrees from 32 leaves up, two bytes for each leaf, so that a long log is not hashed again for each
 * proof; an append costs the logarithm. Leaves below are read where they are kept: a proof reads 31 at most for each end.
 */
export class MerkleTree {
  readonly #read: ReadLeaves
  readonly #keep: (leaf: Hash) => void
  /** By level: level k holds a hash for each complete run of 2^k blocks. */
  readonly #levels: HashList[] = []
  /** Leaves of the block that is not yet complete. */
  #last: Hash[] = []
  #size = 0

  /** `read` answers for leaves that were appended; without it the tree keeps them. */
  constructor(read?: ReadLeaves) {
    const kept = new HashList()
    this.#read = read ?? ((start, count) => Array.from({ length: count }, (_, n) => kept.at(start + n) ?? Buffer.alloc(0)))
    this.#keep = read === undefined ? (leaf) => kept.push(leaf) : () => {}
  }

  get size(): number {
    return this.#size
  }

  append(leaf: Hash): void {
    this.#keep(leaf)
    this.#last.push(leaf)
    this.#size += 1
    if (this.#last.length < blockLeaves) return
    let hash = rootOf(this.#last)
    this.#last = []
    for (let level = 0; ; level += 1) {
      const row = (this.#levels[level] ??= new HashList())
      row.push(hash)
      const left = row.length % 2 === 0 ? row.at(row.length - 2) : undefined
      if (left === undefined) return
      hash = nodeHash(left, hash)
    }
  }

  /** The root over the first `size` leaves. */
  root(size = this.size): Hash {
    this.#check(size)
    return size === 0 ? createHash('sha256').digest() : this.#range(0, size)
  }

  /** The hashes that lead from a leaf to the root of `size` leaves (RFC 9162 §2.1.3). */
  inclusionProof(index: number, size = this.size): Hash[] {
    this.#check(size)
    if (index < 0 || index >= size) throw new RangeError('no such leaf')
    return this.#path(index, 0, size)
  }

  /** The hashes that show that the tree of `from` leaves is the beginning of the one of `to` leaves (RFC 9162 §2.1.4). */
  consistencyProof(from: number, to = this.size): Hash[] {
    this.#check(to)
    if (from <= 0 || from > to) throw new RangeError('no such sizes')
    return from === to ? [] : this.#subproof(from, 0, to, true)
  }

  #path(index: number, start: number, end: number): Hash[] {
    if (end - start === 1) return []
    const middle = start + splitOf(end - start)
    return index < middle
      ? [...this.#path(index, start, middle), this.#range(middle, end)]
      : [...this.#path(index, middle, end), this.#range(start, middle)]
  }

  #subproof(count: number, start: number, end: number, whole: boolean): Hash[] {
    if (start + count === end) return whole ? [] : [this.#range(start, end)]
    const half = splitOf(end - start)
    const middle = start + half
    return count <= half
      ? [...this.#subproof(count, start, middle, whole), this.#range(middle, end)]
      : [...this.#subproof(count - half, middle, end, false), this.#range(start, middle)]
  }

  /** The hash over leaves start..end; `start` is always a multiple of the largest power of two within. */
  #range(start: number, end: number): Hash {
    const count = end - start
    if (count < blockLeaves) return rootOf(this.#leaves(start, count))
    const level = Math.log2(count / blockLeaves)
    if (Number.isInteger(level)) {
      const found = this.#levels[level]?.at(start / count)
      if (found !== undefined) return found
    }
    const middle = start + splitOf(count)
    return nodeHash(this.#range(start, middle), this.#range(middle, end))
  }

  /** Leaves within one block. */
  #leaves(start: number, count: number): readonly Hash[] {
    const first = this.#size - this.#last.length
    return start >= first ? this.#last.slice(start - first, start - first + count) : this.#read(start, count)
  }

  #check(size: number): void {
    if (!Number.isInteger(size) || size < 0 || size > this.size) throw new RangeError('no such size')
  }
}

/** The root over one leaf or more (RFC 9162 §2.1.1). */
function rootOf(leaves: readonly Hash[]): Hash {
  const [only] = leaves
  if (only === undefined) throw new RangeError('a leaf is missing')
  if (leaves.length === 1) return only
  const middle = splitOf(leaves.length)
  return nodeHash(rootOf(leaves.slice(0, middle)), rootOf(leaves.slice(middle)))
}

/** The largest power of two below `count`. */
function splitOf(count: number): number {
  return 2 ** Math.ceil(Math.log2(count) - 1)
}

/** Checks an inclusion proof (RFC 9162 §2.1.3.2). */
export function includes(leaf: Hash, index: number, size: number, proof: readonly Hash[], root: Hash): boolean {
  if (index >= size) return false
  let [fn, sn] = [index, size - 1]
  let hash = leaf
  for (const p of proof) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(p, hash)
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2)
        sn = Math.floor(sn / 2)
      }
    } else hash = nodeHash(hash, p)
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 && hash.equals(root)
}

/** Checks a consistency proof (RFC 9162 §2.1.4.2). */
export function isConsistent(from: number, to: number, oldRoot: Hash, newRoot: Hash, proof: readonly Hash[]): boolean {
  if (from < 1 || from > to) return false
  if (from === to) return proof.length === 0 && oldRoot.equals(newRoot)
  const path = Number.isInteger(Math.log2(from)) ? [oldRoot, ...proof] : [...proof]
  let [fn, sn] = [from - 1, to - 1]
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  const [first, ...rest] = path
  if (first === undefined) return false
  let [fr, sr] = [first, first]
  for (const c of rest) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(c, fr)
      sr = nodeHash(c, sr)
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2)
        sn = Math.floor(sn / 2)
      }
    } else sr = nodeHash(sr, c)
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 && fr.equals(oldRoot) && sr.equals(newRoot)
}
