import { createHash } from 'node:crypto'
import type { VmKey } from '../chain/installation.ts'

/**
 * The MAC of a VM, from its key alone and the same in every generation: `52:54:` (locally administered, unicast, as QEMU's own)
 * and four bytes of SHA-256 over `<installation>/<tokenId>`.
 */
export function macOf(key: Pick<VmKey, 'installation' | 'tokenId'>): string {
  const hash = createHash('sha256').update(`${key.installation}/${key.tokenId}`).digest()
  return ['52', '54', ...[...hash.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':')
}
