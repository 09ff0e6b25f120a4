import { AppError, type FieldError } from '../errors/app-error.ts'
import { linkLocalOf, tapNameOf } from '../network/guest-addresses.ts'
import { ipv4ToNumber, ipv6ToBits, numberToIpv4 } from '../network/ip.ts'
import type { Argument, GuestNet, HostTap } from './verbs.ts'

/** Private nets that a host may give to its guests. Source: RFC 1918. */
const privateNets = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']

/**
 * Holds a set of taps against itself: the schema knows each value, this knows what they are together.
 * Throws AppError `bad-input` with pointers; nothing was changed then.
 */
export function checkTaps({ net, taps }: Argument<'setTaps'>): void {
  const fields: FieldError[] = []
  const wrong = (pointer: string, detail: string): void => void fields.push({ pointer, detail })
  const ipv4Net = networkOf(net)
  if (!privateNets.some((range) => contains4(range, ipv4Net))) wrong('/net/ipv4', 'guests live in a private network')
  const { prefixLength } = net.ipv4
  const first = ipv4ToNumber(ipv4Net.split('/')[0] ?? '')
  const last = first + 2 ** (32 - prefixLength) - 1
  const gateway = ipv4ToNumber(net.ipv4.gateway)
  if (gateway === first || gateway === last) wrong('/net/ipv4/gateway', 'no host has this address')
  const seen = new Set<string>()
  const once = (pointer: string, value: string): void => {
    if (seen.has(value)) wrong(pointer, 'it is there twice')
    seen.add(value)
  }
  for (const [i, tap] of taps.entries()) {
    const at = `/taps/${i}`
    once(at, tapNameOf(tap))
    once(`${at}/mac`, tap.mac)
    once(`${at}/ipv4`, tap.ipv4)
    const number = ipv4ToNumber(tap.ipv4)
    if (number <= first || number >= last || number === gateway) wrong(`${at}/ipv4`, 'it is none of the guests’ network')
    if (tap.sshPort !== null) once(`${at}/sshPort`, `port ${tap.sshPort}`)
    if (tap.ipv6 === null) continue
    once(`${at}/ipv6`, tap.ipv6)
    if (net.ipv6 === null || !contains6(net.ipv6, tap.ipv6)) wrong(`${at}/ipv6`, 'it is none of the guests’ prefix')
    if (tap.ipv6 === linkLocalOf(tap.mac)) wrong(`${at}/ipv6`, 'it is link-local')
  }
  if (fields.length === 0) return
  throw new AppError({ code: 'bad-input', detail: `${fields[0]?.pointer}: ${fields[0]?.detail}.`, fields: fields.slice(0, 20) })
}

/** What the machine itself is and talks through. */
export interface OwnWays {
  own4: readonly string[]
  own6: readonly string[]
  addresses: readonly string[]
  gateways: readonly string[]
  cards: readonly { mac: string; device: string; used: boolean }[]
}

/**
 * Holds a set of taps against the host: no guest's net, and no guest, takes the place of the host or of its way out.
 * Throws AppError `host-refused`; nothing was changed then.
 */
export function checkOwn({ net, taps }: Argument<'setTaps'>, { own4, own6, addresses, gateways, cards }: OwnWays): void {
  const refuse = (detail: string): never => {
    throw new AppError({ code: 'host-refused', detail })
  }
  if (net.card !== undefined) {
    const card = cards.find(({ mac }) => mac === net.card)
    if (card === undefined) refuse(`No card of this machine has the MAC ${net.card}.`)
    if (card?.used === true) refuse(`The machine itself is reached by ${card.device}, which cannot be the guests’ card, too.`)
  }
  const four = networkOf(net)
  const clash = own4.find((range) => overlap4(range, four))
  if (clash !== undefined) refuse(`The guests’ network overlaps ${clash}, which the host is in.`)
  const way = gateways.find((address) => !address.includes(':') && contains4(four, `${address}/32`))
  if (way !== undefined) refuse(`The guests’ network holds ${way}, the host’s way out.`)
  if (net.ipv6 === null) return
  const { ipv6 } = net
  if (!ipv6.onLink) {
    // one address of it may be the host's own; a whole network of the host's may not
    const inside = own6.find((range) => Number(range.split('/')[1]) < 128 && contains6(ipv6, range.split('/')[0] ?? ''))
    if (inside !== undefined) refuse(`The guests’ prefix holds ${inside}, which the host is in.`)
    const out = gateways.find((address) => address.includes(':') && contains6(ipv6, address))
    if (out !== undefined) refuse(`The guests’ prefix holds ${out}, the host’s way out.`)
  }
  const taken = new Set([...addresses, ...gateways].filter((address) => address.includes(':')).map(ipv6ToBits))
  const thief = taps.find((tap) => tap.ipv6 !== null && taken.has(ipv6ToBits(tap.ipv6)))
  if (thief !== undefined) refuse(`${thief.ipv6} is the host’s own, or its way out.`)
}

/** `10.77.0.0/16` of the guests' net. */
export function networkOf({ ipv4: { gateway, prefixLength } }: Pick<GuestNet, 'ipv4'>): string {
  const size = 2 ** (32 - prefixLength)
  return `${numberToIpv4(Math.floor(ipv4ToNumber(gateway) / size) * size)}/${prefixLength}`
}

/** Whether two IPv4 ranges share an address. */
export function overlap4(a: string, b: string): boolean {
  return contains4(a, b) || contains4(b, a)
}

function contains4(outer: string, inner: string): boolean {
  const [a = '', length = ''] = outer.split('/')
  const [b = '', innerLength = ''] = inner.split('/')
  const size = 2 ** (32 - Number(length))
  const same = Math.floor(ipv4ToNumber(a) / size) === Math.floor(ipv4ToNumber(b) / size)
  return Number(innerLength) >= Number(length) && same
}

function contains6(net: { prefix: string; prefixLength: number }, address: string): boolean {
  const shift = BigInt(128 - net.prefixLength)
  return ipv6ToBits(net.prefix) >> shift === ipv6ToBits(address) >> shift
}

/** A tap and the number under which its connections are opened. */
export type KeptTap = HostTap & { epoch: number }

/** The new set; what a VM already had open lives on, unless its addresses changed. */
export function keepEpochs(taps: readonly HostTap[], former: readonly KeptTap[], next: () => number): KeptTap[] {
  const known = new Map(former.map((tap) => [tapNameOf(tap), tap]))
  return taps.map((tap) => {
    const was = known.get(tapNameOf(tap))
    const same = was !== undefined && was.mac === tap.mac && was.ipv4 === tap.ipv4 && was.ipv6 === tap.ipv6
    return { ...tap, epoch: same ? was.epoch : next() }
  })
}
