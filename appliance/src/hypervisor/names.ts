import type { VmKey } from '../chain/installation.ts'

/** `fh-<installation>-<tokenId>`: what a hypervisor calls a VM; the same over generations. */
export function domainNameOf(key: Pick<VmKey, 'installation' | 'tokenId'>): string {
  return `fh-${key.installation}-${key.tokenId}`
}
