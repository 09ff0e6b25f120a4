/** Ethernet frames byte by byte, so that a test may lie in each field. Sources: RFC 826, 791, 768, 8200, 4861. */
export function ethernet(options: { to: string; from: string; type: number; body: Buffer }): Buffer {
  return Buffer.concat([mac(options.to), mac(options.from), u16(options.type), options.body])
}

export function arp(options: { op: 1 | 2; senderMac: string; sender: string; targetMac?: string; target: string }): Buffer {
  const { op, senderMac, sender, target } = options
  const targetMac = options.targetMac ?? '00:00:00:00:00:00'
  return Buffer.concat([
    u16(1),
    u16(0x0800),
    Buffer.from([6, 4]),
    u16(op),
    mac(senderMac),
    ip4(sender),
    mac(targetMac),
    ip4(target),
  ])
}

export function ipv4(options: { from: string; to: string; protocol: number; body: Buffer }): Buffer {
  const { from, to, protocol, body } = options
  const header = Buffer.concat([
    Buffer.from([0x45, 0]),
    u16(20 + body.length),
    u16(1),
    u16(0),
    Buffer.from([64, protocol, 0, 0]),
    ip4(from),
    ip4(to),
  ])
  header.writeUInt16BE(checksum(header), 10)
  return Buffer.concat([header, body])
}

export function ipv6(options: { from: string; to: string; next: number; body: Buffer; hops?: number }): Buffer {
  const { from, to, next, body } = options
  return Buffer.concat([
    Buffer.from([0x60, 0, 0, 0]),
    u16(body.length),
    Buffer.from([next, options.hops ?? 255]),
    ip6(from),
    ip6(to),
    body,
  ])
}

/** UDP for IPv4, where a checksum of 0 means none. */
export function udp(text: string, toPort: number, fromPort = 40_000): Buffer {
  const payload = Buffer.from(text)
  return Buffer.concat([u16(fromPort), u16(toPort), u16(8 + payload.length), u16(0), payload])
}

/** UDP for IPv6, which must have its checksum. */
export function udp6(addresses: { from: string; to: string }, text: string, toPort: number, fromPort = 40_000): Buffer {
  const packet = udp(text, toPort, fromPort)
  packet.writeUInt16BE(pseudo(addresses, 17, packet) || 0xffff, 6)
  return packet
}

export function icmpv6(addresses: { from: string; to: string }, type: number, rest: Buffer): Buffer {
  const packet = Buffer.concat([Buffer.from([type, 0, 0, 0]), rest])
  packet.writeUInt16BE(pseudo(addresses, 58, packet), 2)
  return packet
}

/** Router advertisement with a lifetime and one prefix. */
export const routerAdvertisement = (prefix: string): Buffer =>
  Buffer.concat([
    Buffer.from([64, 0]),
    u16(1800),
    Buffer.alloc(8),
    Buffer.from([3, 4, 64, 0xc0]),
    Buffer.alloc(4, 0xff),
    Buffer.alloc(4, 0xff),
    Buffer.alloc(4),
    ip6(prefix),
  ])

/** Neighbour advertisement: "`target` is at `at`", overriding what was known. */
export const neighbourAdvertisement = (target: string, at: string): Buffer =>
  Buffer.concat([Buffer.from([0x20, 0, 0, 0]), ip6(target), Buffer.from([2, 1]), mac(at)])

export function ip6(text: string): Buffer {
  const [head = '', tail] = text.split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const after = tail === undefined ? [] : groups(tail)
  const all = [...groups(head), ...Array<string>(8 - groups(head).length - after.length).fill('0'), ...after]
  return Buffer.concat(all.map((group) => u16(parseInt(group, 16))))
}

function ip4(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number))
}

function mac(text: string): Buffer {
  return Buffer.from(text.split(':').map((part) => parseInt(part, 16)))
}

function u16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeUInt16BE(value)
  return buffer
}

function pseudo({ from, to }: { from: string; to: string }, protocol: number, packet: Buffer): number {
  return checksum(
    Buffer.concat([ip6(from), ip6(to), Buffer.alloc(2), u16(packet.length), Buffer.from([0, 0, 0, protocol]), packet]),
  )
}

/** The Internet checksum. Source: RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}
