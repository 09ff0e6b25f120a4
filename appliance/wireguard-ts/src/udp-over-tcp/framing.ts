/** The most that fits the 16-bit length. */
export const maxDatagramBytes = 65_535
const headBytes = 2

/** A datagram as it goes over TCP: its length in two bytes, big-endian, then itself. Length 0 is a datagram too. */
export function frame(datagram: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafe(headBytes + datagram.length)
  whole.writeUInt16BE(datagram.length)
  whole.set(datagram, headBytes)
  return whole
}

/**
 * Takes datagrams out of a byte stream that is cut anywhere. Memory is bounded by one frame beyond what was pushed. The
 * datagrams it hands out are copies: the chunk may be reused.
 */
export class Unframer {
  #chunks: Buffer[] = []
  #length = 0

  /** The datagrams that are complete with this chunk. */
  push(chunk: Uint8Array): Buffer[] {
    this.#chunks.push(Buffer.from(chunk))
    this.#length += chunk.length
    const whole: Buffer[] = []
    if (!this.#hasFrame()) return whole
    const bytes = Buffer.concat(this.#chunks, this.#length)
    let at = 0
    while (bytes.length - at >= headBytes) {
      const end = at + headBytes + bytes.readUInt16BE(at)
      if (end > bytes.length) break
      whole.push(bytes.subarray(at + headBytes, end))
      at = end
    }
    const rest = bytes.subarray(at)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#length = rest.length
    return whole
  }

  /** Bytes that wait for the rest of their frame. */
  get waiting(): number {
    return this.#length
  }

  #hasFrame(): boolean {
    if (this.#length < headBytes) return false
    const [first = Buffer.alloc(0), second] = this.#chunks
    const high = first[0] ?? 0
    const low = first.length > 1 ? (first[1] ?? 0) : (second?.[0] ?? 0)
    return this.#length >= headBytes + high * 256 + low
  }
}
