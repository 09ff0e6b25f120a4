import { createHash } from 'node:crypto'

/**
 * The nonce that is signed for a CLI's request: a hash of the one that the CLI keeps. The signed one is shown to whoever has
 * the code, so it proves nothing; the kept one proves who asked.
 */
export function signedNonceOf(kept: string): string {
  return createHash('sha256').update(`freehold-asker-nonce:${kept}`, 'utf8').digest('hex').slice(0, 32)
}
