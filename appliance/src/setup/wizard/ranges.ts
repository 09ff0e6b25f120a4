import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** An address with the length of its prefix. */
export interface Range {
  address: string
  prefixLength: number
  family: 'ipv4' | 'ipv6'
}

/** `192.0.2.1/24` in parts, or undefined if it is none. */
export function parseRange(text: string): Range | undefined {
  const [address = '', length = ''] = text.split('/')
  const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined
  const prefixLength = Number(length)
  if (family === undefined || !/^[0-9]{1,3}$/.test(length) || prefixLength > (family === 'ipv4' ? 32 : 128)) return undefined
  return { address, prefixLength, family }
}

/** Whether two ranges share an address: the shorter prefix then holds the other's address. */
export function overlaps(a: Range, b: Range): boolean {
  if (a.family !== b.family) return false
  const [wide, narrow] = a.prefixLength <= b.prefixLength ? [a, b] : [b, a]
  const list = new BlockList()
  list.addSubnet(wide.address, wide.prefixLength, wide.family)
  return list.check(narrow.address, narrow.family)
}
