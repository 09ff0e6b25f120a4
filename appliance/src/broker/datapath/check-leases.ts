import { NetworkIndex, overlap, parseCidr, specialRangeOf, type Cidr } from 'wireguard-ts/address'
import { publicKeyOf } from 'wireguard-ts/key'
import { AppError } from '../../errors/app-error.ts'
import type { DataPathSettings, Lease } from '../types.ts'

/** In on-link mode every address of a lease is an entry of the kernel's neighbour table: 4,096 of them are enough for a host. */
export const longestOnLinkList = 4096

/**
 * Refuses what the machine would take and do something else with. Throws AppError `broker-data-path-failed` with what was seen and
 * what to do, before anything is touched.
 */
export function checkSettings({ pool, ownAddress, mtu, interfaceName, uplink, listenPort }: DataPathSettings): void {
  const special = specialRangeOf(pool)
  if (!pool.includes(':'))
    throw refusal(`The pool ${pool} is IPv4.`, 'Give the IPv6 prefix that your provider routes to this machine.')
  if (special !== undefined) {
    throw refusal(
      `The pool ${pool} lies in a range that is nobody’s on the Internet (${special}).`,
      'Give the prefix that your provider routes to this machine.',
    )
  }
  if (lengthOf(pool) < 16 || lengthOf(pool) > 124) {
    throw refusal(`The pool ${pool} has ${lengthOf(pool)} bits.`, 'A pool is a prefix of 16 to 124 bits; a /48 is usual.')
  }
  const own = parseCidr(ownAddress.slice(0, ownAddress.indexOf('/')))
  if (!overlap(pool, own))
    throw refusal(`The own address ${ownAddress} is not in the pool ${pool}.`, 'Take an address of the pool.')
  if (!(Number.isInteger(mtu) && mtu >= 1280 && mtu <= 9000)) {
    throw refusal(`The MTU ${mtu} does not carry IPv6.`, 'IPv6 needs 1280 bytes at least; 1420 fits an underlay of 1500.')
  }
  for (const name of [interfaceName, uplink]) {
    if (!/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(name)) {
      throw refusal(`${JSON.stringify(name.slice(0, 40))} is no interface name.`, 'Use 1 to 15 letters, digits, dots, - and _.')
    }
  }
  if (!(Number.isInteger(listenPort) && listenPort > 0 && listenPort < 65_536)) {
    throw refusal(`The port ${listenPort} is none.`, 'Use a UDP port from 1 to 65535; 51820 is usual.')
  }
}

/** As `checkSettings`, for the leases of one state. */
export function checkLeases(settings: DataPathSettings, leases: readonly Lease[]): void {
  const { pool, mode, ownAddress, privateKey } = settings
  const own = parseCidr(ownAddress.slice(0, ownAddress.indexOf('/')))
  const [index, ids, keys] = [new NetworkIndex(), new Set<string>(), new Set<string>([publicKeyOf(privateKey)])]
  for (const lease of leases.toSorted((a, b) => lengthOf(a.prefix) - lengthOf(b.prefix))) {
    const { id, prefix, peerKey, rateCapBytesPerSecond: cap } = lease
    if (!/^l-[0-9a-f]{16}$/.test(id)) throw refusal(`${JSON.stringify(id.slice(0, 40))} names no lease.`, 'Look at the store.')
    if (!inside(prefix, pool)) {
      throw refusal(`${prefix} of ${id} is not in the pool ${pool}: it is somebody else’s.`, 'Lease prefixes of the pool only.')
    }
    if (overlap(prefix, own)) throw refusal(`${prefix} of ${id} holds the broker’s own address ${own}.`, 'Lease another prefix.')
    const taken = index.ownerOf(prefix)
    if (taken !== undefined) {
      throw refusal(`${prefix} of ${id} lies in ${taken.network} of ${taken.owner}.`, 'Give each prefix to one lease.')
    }
    if (ids.has(id)) throw refusal(`The lease ${id} stands twice.`, 'Look at the store.')
    if (keys.has(peerKey))
      throw refusal(`The key of ${id} is another lease’s or the broker’s own.`, 'Ask the host for a fresh key.')
    if (mode === 'on-link' && addressesOf(prefix) > longestOnLinkList) {
      throw refusal(
        `${prefix} of ${id} has ${addressesOf(prefix)} addresses, each of which would be announced on the uplink.`,
        `On an on-link prefix lease /116 and longer (${longestOnLinkList} addresses), or have the prefix routed to this machine.`,
      )
    }
    if (cap !== undefined && !(Number.isInteger(cap) && cap >= 1000 && cap < 2 ** 32)) {
      throw refusal(`The cap of ${id} is ${cap} bytes a second.`, 'Give a whole number from 1000 to 4294967295.')
    }
    for (const port of [...lease.closed.tcp, ...lease.closed.udp]) {
      if (!(Number.isInteger(port) && port > 0 && port < 65_536)) throw refusal(`${port} is no port (${id}).`, 'Give 1 to 65535.')
    }
    index.add(prefix, id)
    ids.add(id)
    keys.add(peerKey)
  }
}

export function lengthOf(network: Cidr): number {
  return Number(network.slice(network.indexOf('/') + 1))
}

function addressesOf(prefix: Cidr): number {
  return 2 ** (128 - lengthOf(prefix))
}

function inside(inner: Cidr, outer: Cidr): boolean {
  return lengthOf(inner) >= lengthOf(outer) && overlap(inner, outer)
}

function refusal(detail: string, hint: string): AppError {
  return new AppError({ code: 'broker-data-path-failed', detail, hint })
}
