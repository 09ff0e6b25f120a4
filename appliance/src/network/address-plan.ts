import { AppError } from '../errors/app-error.ts'
import { bitsToIpv6, ipv4ToNumber, ipv6ToBits, numberToIpv4 } from './ip.ts'

/** Which addresses this host gives to its VMs. Null: none of this sort. */
export interface AddressPlan {
  /** Private net of the guests, NAT out; the host holds `gateway`. */
  ipv4: { network: string; prefixLength: number; gateway: string } | null
  /** A routed or on-link prefix, `2001:db8:1::/64`. */
  ipv6: { prefix: string; prefixLength: number } | null
  /** One TCP port per VM, forwarded to its port 22; both ends belong to it. */
  sshPorts: { from: number; to: number } | null
}

/** Embedded mode: user networking gives every guest the same inner address; a loopback port tells them apart. */
export function embeddedPlan(sshPorts: { from: number; to: number }): AddressPlan {
  return { ipv4: null, ipv6: null, sshPorts }
}

/** The first ten addresses are the host's own. */
const reserved = 10

/** Every IPv4 that a VM may have, lowest first. */
export function* ipv4Candidates(net: NonNullable<AddressPlan['ipv4']>): Generator<string> {
  const first = ipv4ToNumber(net.network)
  const gateway = ipv4ToNumber(net.gateway)
  const last = first + 2 ** (32 - net.prefixLength) - 2
  for (let address = first + reserved + 1; address <= last; address += 1) if (address !== gateway) yield numberToIpv4(address)
}

export function* portCandidates(range: NonNullable<AddressPlan['sshPorts']>): Generator<string> {
  for (let port = range.from; port <= range.to; port += 1) yield String(port)
}

/** Index values of the allocation table, for prefixes longer than /64; 0 is the subnet-router anycast address, 1 the host. */
export function* indexCandidates(prefixLength: number): Generator<string> {
  const end = prefixLength >= 100 ? 2 ** (128 - prefixLength) : 2 ** 28
  for (let index = 16; index < end; index += 1) yield String(index)
}

/**
 * The IPv6 of a VM in a prefix of /64 or shorter: interface id = 16-bit index of its contract ‖ 48-bit token id (design.md §9).
 * Throws AppError `capacity-exceeded` where one of them does not fit.
 */
export function ipv6Of(net: NonNullable<AddressPlan['ipv6']>, contractIndex: number, tokenId: bigint): string {
  if (contractIndex > 0xffff || tokenId >= 1n << 48n) {
    throw new AppError({ code: 'capacity-exceeded', detail: `Token id ${tokenId} does not fit into an IPv6 address.` })
  }
  return bitsToIpv6(networkBits(net) | (BigInt(contractIndex) << 48n) | tokenId)
}

/** The IPv6 of an index of the allocation table, in a prefix longer than /64. */
export function ipv6AtIndex(net: NonNullable<AddressPlan['ipv6']>, index: number): string {
  return bitsToIpv6(networkBits(net) | BigInt(index))
}

/** The index of an address that `ipv6AtIndex` made. */
export function indexOfIpv6(net: NonNullable<AddressPlan['ipv6']>, address: string): number {
  return Number(ipv6ToBits(address) & ~(-1n << BigInt(128 - net.prefixLength)))
}

function networkBits(net: NonNullable<AddressPlan['ipv6']>): bigint {
  const hostBits = BigInt(128 - net.prefixLength)
  return (ipv6ToBits(net.prefix) >> hostBits) << hostBits
}
