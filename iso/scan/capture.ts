import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib'
import { findIn, type Find, type Needle } from './needles.ts'

/** What went one way through one connection, put together again; of UDP all that went this way, datagram after datagram. */
export interface Stream {
  /** `tcp 10.0.2.15:443 > 10.0.2.2:50122`; IPv6 in brackets. */
  name: string
  bytes: Buffer
  /** Bytes of TCP that are missing between the first and the last one. */
  missing: number
}

export interface Capture {
  packets: Buffer[]
  streams: Stream[]
}

const ethernet = 1

/**
 * Reads a pcap file as QEMU writes it (Ethernet, microseconds, this machine's byte order).
 * @throws Error where it is something else, or is cut short in its head. A last packet that was cut is left out.
 */
export function readCapture(file: Buffer): Capture {
  if (file.length < 24 || file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error('no pcap file of this byte order')
  if (file.readUInt32LE(20) !== ethernet) throw new Error(`a capture of link type ${file.readUInt32LE(20)}, not of Ethernet`)
  const packets: Buffer[] = []
  for (let at = 24; at + 16 <= file.length;) {
    const length = file.readUInt32LE(at + 8)
    if (length < file.readUInt32LE(at + 12)) throw new Error('a packet of the capture is not whole')
    if (at + 16 + length > file.length) break
    packets.push(file.subarray(at + 16, at + 16 + length))
    at += 16 + length
  }
  return { packets, streams: streamsOf(packets) }
}

interface Segments {
  name: string
  first: number
  parts: { at: number; bytes: Buffer }[]
}

function streamsOf(packets: readonly Buffer[]): Stream[] {
  const udp = new Map<string, Buffer[]>()
  const tcp = new Map<string, Segments>()
  const all: Segments[] = []
  for (const packet of packets) {
    const found = transportOf(packet)
    if (found === undefined) continue
    const { protocol, from, to, bytes } = found
    const name = `${from}:${bytes.readUInt16BE(0)} > ${to}:${bytes.readUInt16BE(2)}`
    if (protocol === 'udp') {
      udp.set(name, [...(udp.get(name) ?? []), bytes.subarray(8)])
      continue
    }
    const sequence = bytes.readUInt32BE(4)
    const syn = ((bytes[13] ?? 0) & 2) !== 0
    let stream = tcp.get(name)
    const first = syn ? (sequence + 1) >>> 0 : sequence
    // the same ports again are another connection; a SYN that is sent twice is not
    if (stream === undefined || (syn && stream.first !== first)) {
      stream = { name, first, parts: [] }
      tcp.set(name, stream)
      all.push(stream)
    }
    const payload = bytes.subarray(((bytes[12] ?? 0) >> 4) * 4)
    // as a signed number: the sequence goes round, and what was sent before the first one seen lies below zero
    if (payload.length > 0) stream.parts.push({ at: syn ? 0 : (sequence - stream.first) | 0, bytes: payload })
  }
  return [
    ...all.map(together),
    ...[...udp].map(([name, parts]) => ({ name: `udp ${name}`, bytes: Buffer.concat(parts), missing: 0 })),
  ]
}

/** In order, each byte once; a zero stands where some are missing. */
function together({ name, parts }: Segments): Stream {
  const ordered = parts.toSorted((a, b) => a.at - b.at)
  const bytes: Buffer[] = []
  let next = ordered[0]?.at ?? 0
  let missing = 0
  for (const part of ordered) {
    const end = part.at + part.bytes.length
    if (end <= next) continue
    if (part.at > next) {
      missing += part.at - next
      // what lies on both sides of a gap does not stand together
      bytes.push(Buffer.alloc(1))
    }
    bytes.push(part.bytes.subarray(Math.max(0, next - part.at)))
    next = end
  }
  return { name: `tcp ${name}`, bytes: Buffer.concat(bytes), missing }
}

/** The TCP or UDP of a frame, without padding of the frame. */
function transportOf(frame: Buffer): { protocol: 'tcp' | 'udp'; from: string; to: string; bytes: Buffer } | undefined {
  if (frame.length < 34) return undefined
  const type = frame.readUInt16BE(12)
  const packet = frame.subarray(14)
  if (type === 0x0800) {
    const head = ((packet[0] ?? 0) & 15) * 4
    // a later fragment has no ports; its bytes are looked through as a packet
    if ((packet.readUInt16BE(6) & 0x1fff) !== 0) return undefined
    const bytes = packet.subarray(head, packet.readUInt16BE(2))
    const address = (at: number): string => [...packet.subarray(at, at + 4)].join('.')
    return transport(packet[9], bytes, address(12), address(16))
  }
  if (type === 0x86dd && packet.length >= 40) {
    const bytes = packet.subarray(40, 40 + packet.readUInt16BE(4))
    const address = (at: number): string =>
      `[${packet
        .subarray(at, at + 16)
        .toString('hex')
        .match(/.{4}/g)
        ?.join(':')}]`
    return transport(packet[6], bytes, address(8), address(24))
  }
  return undefined
}

function transport(number: number | undefined, bytes: Buffer, from: string, to: string): ReturnType<typeof transportOf> {
  if (number === 6 && bytes.length >= 20) return { protocol: 'tcp', from, to, bytes }
  if (number === 17 && bytes.length >= 8) return { protocol: 'udp', from, to, bytes }
  return undefined
}

/**
 * Every place of the capture where a secret stands in clear: in the packets as they are, in the streams put together, and in bodies
 * of HTTP that were compressed.
 * @throws Error where a body says that it is compressed and cannot be read: what cannot be looked into is not clean.
 */
export function findInCapture(capture: Capture, needles: readonly Needle[]): Find[] {
  return [
    ...capture.streams.flatMap((stream) => [
      ...findIn(stream.bytes, needles, stream.name),
      ...unpackedBodies(stream).flatMap((body) => findIn(body, needles, `${stream.name}, compressed body`)),
    ]),
    ...capture.packets.flatMap((packet, i) => findIn(packet, needles, `packet ${i + 1}`)),
  ]
}

/** The compressed bodies of HTTP/1.1 in a stream, unpacked. */
function unpackedBodies({ name, bytes }: Stream): Buffer[] {
  const text = bytes.toString('latin1')
  return [...text.matchAll(/\r\ncontent-encoding: *([a-z]+)\r\n/gi)].map((match) => {
    const head = text.lastIndexOf('HTTP/1.1', match.index)
    const end = text.indexOf('\r\n\r\n', match.index) + 4
    if (head < 0 || end < 4) throw new Error(`${name}: a head of HTTP that has no end`)
    const header = text.slice(head, end)
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(header)?.[1]
    const rest = bytes.subarray(end, length === undefined ? undefined : end + Number(length))
    const body = /\r\ntransfer-encoding: *chunked\r\n/i.test(header) ? unchunked(rest) : rest
    const kind = match[1]?.toLowerCase()
    // what follows the body belongs to the next answer
    const finishFlush = constants.Z_SYNC_FLUSH
    if (kind === 'gzip') return gunzipSync(body, { finishFlush })
    if (kind === 'deflate') return inflateSync(body, { finishFlush })
    if (kind === 'br') return brotliDecompressSync(body)
    if (kind === 'identity') return body
    throw new Error(`${name}: a body compressed by ${kind}, which is not looked into`)
  })
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at)
    const length = end < 0 ? 0 : Number.parseInt(bytes.toString('latin1', at, end), 16)
    if (!(length > 0)) return Buffer.concat(parts)
    parts.push(bytes.subarray(end + 2, end + 2 + length))
    at = end + 2 + length + 2
  }
}
