import { createHash } from 'node:crypto'

/** Shorter ones are cheaper as a string. */
const leastBytes = 64 * 1024
const head = /^\{"jsonrpc":"2\.0","id":(\d+),"result":"0x/
const quote = 0x22

/**
 * The hex digits of a long answer, as the bytes that came. Megabytes of text a block would fill the old generation of the heap,
 * which is looked through seldom; bytes outside of it are given back with the next small collection.
 */
export class HexBytes {
  readonly #digits: Buffer

  constructor(digits: Buffer) {
    this.#digits = digits
  }

  /** SHA-256: equal answers are told without decoding them. */
  digest(): string {
    return createHash('sha256').update(this.#digits).digest('base64')
  }

  /** As JSON would have given it, with `0x`. */
  toString(): string {
    return `0x${this.#digits.toString('latin1')}`
  }
}

/** A JSON-RPC answer of one long hex value, or undefined if it is anything else: then JSON is parsed as ever. */
export function longHexAnswer(body: Buffer): { id: number; result: HexBytes } | undefined {
  if (body.length < leastBytes) return undefined
  const found = head.exec(body.toString('latin1', 0, 100))
  if (found === null) return undefined
  const start = found[0].length
  const end = body.indexOf(quote, start)
  if (end === -1 || body.toString('latin1', end).trimEnd() !== '"}') return undefined
  return { id: Number(found[1]), result: new HexBytes(body.subarray(start, end)) }
}
