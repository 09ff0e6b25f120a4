/** One frame of RFC 6455 §5.2, unmasked. Opcodes: 0–2 data, 8 close, 9 ping, 10 pong. */
export interface Frame {
  opcode: number
  payload: Buffer
}

/** No console sends more at once; more is an attack or a fault. */
const mostPayload = 2 ** 20

/** A frame as bytes; clients give a mask of four bytes, servers none. */
export function encodeFrame(opcode: number, payload: Uint8Array, mask: Uint8Array | undefined): Buffer {
  const { length } = payload
  const head = length < 126 ? Buffer.alloc(2) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10)
  head[0] = 0x80 | opcode
  if (length < 126) head[1] = length
  else if (length < 65_536) {
    head[1] = 126
    head.writeUInt16BE(length, 2)
  } else {
    head[1] = 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  if (mask === undefined) return Buffer.concat([head, payload])
  head[1] = (head[1] ?? 0) | 0x80
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0))])
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #rest = Buffer.alloc(0)

  /** All frames that are complete now. Throws RangeError for one that is too long. */
  push(chunk: Uint8Array): Frame[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const frames: Frame[] = []
    for (;;) {
      const frame = this.#take()
      if (frame === undefined) return frames
      frames.push(frame)
    }
  }

  #take(): Frame | undefined {
    const all = this.#rest
    if (all.length < 2) return undefined
    const [first = 0, second = 0] = all
    let from = 2
    let length = second & 0x7f
    if (length === 126) {
      if (all.length < 4) return undefined
      length = all.readUInt16BE(2)
      from = 4
    } else if (length === 127) {
      if (all.length < 10) return undefined
      length = Number(all.readBigUInt64BE(2))
      from = 10
    }
    if (length > mostPayload) throw new RangeError('a frame of the console is too long')
    const masked = (second & 0x80) !== 0
    const mask = all.subarray(from, masked ? from + 4 : from)
    if (masked) from += 4
    if (all.length < from + length) return undefined
    const raw = all.subarray(from, from + length)
    this.#rest = all.subarray(from + length)
    return {
      opcode: first & 0x0f,
      payload: masked ? Buffer.from(raw.map((byte, i) => byte ^ (mask[i % 4] ?? 0))) : Buffer.from(raw),
    }
  }
}
