/** `10.77.0.0` as a number. Throws TypeError unless the text is dotted IPv4; a leading zero is octal to some, so it is refused. */
export function ipv4ToNumber(text: string): number {
  const parts = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text)?.slice(1).map(Number)
  if (parts === undefined || parts.some((p) => p > 255)) throw new TypeError(`not an IPv4 address: ${text}`)
  return parts.reduce((sum, part) => sum * 256 + part, 0)
}

export function numberToIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}

/** The 128 bits of an IPv6 address. Throws TypeError unless the text is one (no zone, no embedded IPv4). */
export function ipv6ToBits(text: string): bigint {
  const halves = text.split('::')
  const groups = (half: string | undefined): string[] => (half === undefined || half === '' ? [] : half.split(':'))
  const [head, tail] = [groups(halves[0]), groups(halves[1])]
  const missing = 8 - head.length - tail.length
  const all = halves.length === 2 ? [...head, ...Array<string>(Math.max(0, missing)).fill('0'), ...tail] : head
  if (
    halves.length > 2 ||
    all.length !== 8 ||
    (halves.length === 2 && missing < 1) ||
    !all.every((g) => /^[0-9a-f]{1,4}$/i.test(g))
  ) {
    throw new TypeError(`not an IPv6 address: ${text}`)
  }
  return all.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n)
}

/** The canonical text: lower case, the longest run of zero groups shortened. Source: RFC 5952. */
export function bitsToIpv6(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start += 1) {
    let length = 0
    while (groups[start + length] === '0') length += 1
    if (length > best.length) best = { start, length }
  }
  if (best.length < 2) return groups.join(':')
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`
}

/**
 * The host's own address in a prefix, which no VM ever gets: contract index 0xffff in prefixes of /64 and shorter, else index 1 of the
 * allocation table (`address-plan.ts`). `::1` would be the VM of token 1.
 */
export function ownAddress(prefix: string): string {
  const [address = '', length] = prefix.split('/')
  return bitsToIpv6(ipv6ToBits(address) | (Number(length) <= 64 ? 0xffff_0000_0000_0001n : 1n))
}
