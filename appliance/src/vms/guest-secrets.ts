import { createHmac } from 'node:crypto'
import { markOf, type VmKey } from '../chain/installation.ts'

function hmac(master: Uint8Array, purpose: 'secret' | 'token', mark: string): string {
  return createHmac('sha256', master).update(`${purpose}:${mark}`, 'utf8').digest('hex')
}

/** What a VM proves itself with at the login endpoint: 64 hex digits. Source: sign-in/PROTOCOL.md, "The guest API". */
export function vmSecret(master: Uint8Array, mark: string): string {
  return hmac(master, 'secret', mark)
}

/** The one-time token of the seed, `<installation>/<tokenId>/<generation>.` and 64 hex digits. Source: as above. */
export function reportToken(master: Uint8Array, mark: string): string {
  return `${mark.slice('freehold:'.length)}.${hmac(master, 'token', mark)}`
}

/** Both secrets of a key; handy where the mark is not at hand. */
export function guestSecrets(master: Uint8Array, key: VmKey): { secret: string; token: string } {
  return { secret: vmSecret(master, markOf(key)), token: reportToken(master, markOf(key)) }
}
