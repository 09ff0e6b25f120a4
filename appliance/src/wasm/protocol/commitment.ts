import { createHash, timingSafeEqual } from 'node:crypto'

export const commitmentTypes = ['program', 'arguments', 'result', 'receipt'] as const
export type CommitmentType = (typeof commitmentTypes)[number]

/** `hiding`: salted, so that a small result cannot be guessed. `plain-sha256`: the literal reading of the specification. */
export type CommitmentScheme = 'hiding' | 'plain-sha256'

/** A commitment in hex. The salt, 32 bytes, travels only inside the sealed answer. */
export function commit(scheme: CommitmentScheme, type: CommitmentType, content: Uint8Array, salt: Uint8Array): string {
  const hash = createHash('sha256')
  if (scheme === 'hiding')
    hash
      .update('whv/commit/v1/')
      .update(type)
      .update(Buffer.from([0]))
      .update(salt)
  return hash.update(content).digest('hex')
}

/** Whether two hex commitments are the same, in constant time. Both must be 64 lower-case hex digits. */
export function sameCommitment(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
