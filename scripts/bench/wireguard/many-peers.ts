import { generateKeyPairSync } from 'node:crypto'
import { parseCidr, type Cidr } from 'wireguard-ts/address'
import type { Peer } from 'wireguard-ts/config'
import type { PublicKey } from 'wireguard-ts/key'

/** `count` peers with a /64 each, keys real. */
export function manyPeers(count: number): Peer[] {
  return Array.from({ length: count }, (_, n) => ({ publicKey: freshKey(), allowedIps: [prefixAt(n)] }))
}

export function prefixAt(n: number): Cidr {
  return parseCidr(`2a01:7e00:a00:${(0x100 + n).toString(16)}::/64`)
}

export function freshKey(): PublicKey {
  const { publicKey } = generateKeyPairSync('x25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  })
  return publicKey.subarray(-32).toString('base64') as PublicKey
}
