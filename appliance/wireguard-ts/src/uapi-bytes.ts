import { parseCidr, parseEndpoint, type Cidr, type Endpoint } from './address.ts'
import { WireGuardError } from './errors.ts'

// What a daemon writes, read from the bytes themselves: a hub's answer is megabytes at every look, and a text for each line of it
// took longer to make than the daemon took to write them all. Each function reads `bytes` from `from` up to, not including, `end`.

const [dot, slash, zero, nine, colon, lowerA, lowerF] = [46, 47, 48, 57, 58, 97, 102]

/** The position of `byte` between `from` and `end`, or -1. For lines, which are short: a call out of the engine would cost more. */
export function find(bytes: Buffer, byte: number, from: number, end: number): number {
  for (let at = from; at < end; at += 1) if (bytes[at] === byte) return at
  return -1
}

/** Whether `word` stands at `from`. */
export function startsWith(bytes: Buffer, from: number, end: number, word: Buffer): boolean {
  if (end - from < word.length) return false
  for (let i = 0; i < word.length; i += 1) if (bytes[from + i] !== word[i]) return false
  return true
}

const key = Buffer.alloc(32)

/** A key of 64 hex digits as canonical base64; null for one that is all zero, which stands for "none". Throws `bad-key`. */
export function readKey(bytes: Buffer, from: number, end: number): string | null {
  if (end - from !== 64) throw noKey()
  let any = 0
  for (let i = 0; i < 32; i += 1) {
    const byte = hexDigit(bytes[from + 2 * i] ?? 0) * 16 + hexDigit(bytes[from + 2 * i + 1] ?? 0)
    if (!(byte >= 0)) throw noKey()
    key[i] = byte
    any |= byte
  }
  if (any === 0) return null
  return key.toString('base64')
}

/** A whole number in canonical decimal. Throws `protocol` for anything else, and for what a number cannot hold exactly. */
export function readWhole(bytes: Buffer, from: number, end: number): number {
  let value = 0
  for (let at = from; at < end; at += 1) {
    const byte = bytes[at] ?? 0
    if (byte < zero || byte > nine) throw noNumber()
    value = value * 10 + byte - zero
  }
  if (end === from || value > Number.MAX_SAFE_INTEGER || (bytes[from] === zero && end - from > 1)) throw noNumber()
  return value
}

/** The same without a bound: counters of bytes have 64 bits. */
export function readCount(bytes: Buffer, from: number, end: number): bigint {
  if (end - from === 1 && bytes[from] === zero) return 0n
  // 15 digits always fit a number, from which a bigint is made faster than from text
  if (end - from <= 15) return BigInt(readWhole(bytes, from, end))
  for (let at = from; at < end; at += 1) if (!((bytes[at] ?? 0) >= zero && (bytes[at] ?? 0) <= nine)) throw noNumber()
  return BigInt(bytes.toString('latin1', from, end))
}

/** A network. Daemons write the canonical text, which then is the network; any other text is parsed. Throws `bad-address`. */
export function readCidr(bytes: Buffer, from: number, end: number): Cidr {
  const text = bytes.toString('latin1', from, end)
  return (isCanonicalIpv6(bytes, from, end) ? text : parseCidr(text)) as Cidr
}

/** Where a peer is. IPv4 and its port are read as they stand; all else is parsed. Throws `bad-endpoint`. */
export function readEndpoint(bytes: Buffer, from: number, end: number): Endpoint {
  const cut = ipv4End(bytes, from, end)
  if (cut === -1 || end - cut > 6 || end - cut < 2) return parseEndpoint(bytes.toString('latin1', from, end))
  const port = decimalAt(bytes, cut + 1, end)
  if (!(port >= 1 && port <= 65535)) return parseEndpoint(bytes.toString('latin1', from, end))
  return { host: bytes.toString('latin1', from, cut), port }
}

/** The position of the colon after a canonical IPv4 address, or -1. */
function ipv4End(bytes: Buffer, from: number, end: number): number {
  let at = from
  for (let octet = 0; octet < 4; octet += 1) {
    const start = at
    while (at < end && bytes[at] !== dot && bytes[at] !== colon) at += 1
    if (at === end || at - start > 3 || !(decimalAt(bytes, start, at) <= 255)) return -1
    if (bytes[at] !== (octet === 3 ? colon : dot)) return -1
    at += 1
  }
  return at - 1
}

const words = new Uint16Array(8)

/** Whether `bytes` are an IPv6 network exactly as `parseCidr` would write it (RFC 5952, host bits zero). */
export function isCanonicalIpv6(bytes: Buffer, from: number, end: number): boolean {
  const cut = find(bytes, slash, from, end)
  if (cut === -1 || end - cut > 4) return false
  let [count, gap, at] = [0, -1, from]
  while (at < cut) {
    if (bytes[at] === colon) {
      // a colon here is the second of two, or a text's first
      if (gap !== -1 || (at === from && bytes[at + 1] !== colon)) return false
      gap = count
      at += at === from ? 2 : 1
      continue
    }
    if (count === 8) return false
    const start = at
    let value = 0
    for (; at < cut && bytes[at] !== colon; at += 1) {
      const digit = hexDigit(bytes[at] ?? 0)
      if (!(digit >= 0)) return false
      value = value * 16 + digit
    }
    if (at - start > 4 || (bytes[start] === zero && at - start > 1)) return false
    words[count] = value
    count += 1
    if (at < cut) {
      at += 1
      if (at === cut) return false
    }
  }
  return runIsFirstAndLongest(count, gap) && hasNoHostBits(count, gap, decimalAt(bytes, cut + 1, end))
}

/** Whether the gap stands for the first of the longest runs of at least two zero words, and no such run is written out. */
function runIsFirstAndLongest(count: number, gap: number): boolean {
  if (gap === -1 ? count !== 8 : count > 6) return false
  const missing = 8 - count
  let run = 0
  for (let i = 0; i < count; i += 1) {
    if (i === gap) run = 0
    run = words[i] === 0 ? run + 1 : 0
    // beside the gap a zero word would belong to it
    if (gap !== -1 && words[i] === 0 && (i === gap - 1 || i === gap)) return false
    if (run > (gap === -1 ? 1 : i < gap ? missing - 1 : missing)) return false
  }
  return true
}

function hasNoHostBits(count: number, gap: number, length: number): boolean {
  if (!(length <= 128)) return false
  for (let i = 0; i < count; i += 1) {
    const place = gap === -1 || i < gap ? i : i + 8 - count
    const bits = length - 16 * place
    if (bits < 16 && ((words[i] ?? 0) & (bits <= 0 ? 0xffff : 0xffff >> bits)) !== 0) return false
  }
  return true
}

/** A few decimal digits in canonical form, else NaN. */
function decimalAt(bytes: Buffer, from: number, end: number): number {
  if (end === from || (bytes[from] === zero && end - from > 1)) return Number.NaN
  let value = 0
  for (let at = from; at < end; at += 1) {
    const byte = bytes[at] ?? 0
    if (byte < zero || byte > nine) return Number.NaN
    value = value * 10 + byte - zero
  }
  return value
}

/** Of a lower-case hex digit, else NaN. */
function hexDigit(byte: number): number {
  if (byte >= zero && byte <= nine) return byte - zero
  return byte >= lowerA && byte <= lowerF ? byte - lowerA + 10 : Number.NaN
}

function noKey(): WireGuardError {
  return new WireGuardError('bad-key', 'not 64 hex digits', 'Ask the device again.')
}

function noNumber(): WireGuardError {
  return new WireGuardError('protocol', 'the WireGuard interface said a number that is none', 'Check the version of the daemon.')
}
