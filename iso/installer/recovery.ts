import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'

/** No letter that is taken for another when read aloud or written by hand. */
const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const cost = { N: 16_384, r: 8, p: 1 } as const

/** A recovery secret of 80 bits in four groups, and the line that is kept of it. */
export function makeRecovery(): { secret: string; line: string } {
  const secret = [...randomBytes(16)].map((byte) => letters[byte % 32]).join('')
  const salt = randomBytes(16)
  return {
    secret: secret.replaceAll(/(.{4})(?=.)/g, '$1-'),
    line: `scrypt ${salt.toString('hex')} ${scryptSync(secret, salt, 32, cost).toString('hex')}\n`,
  }
}

/** Whether this is the secret of that line; hyphens, blanks and small letters do not matter. A damaged line opens nothing. */
export function isRecovery(typed: string, line: string): boolean {
  const [, salt, hash] = /^scrypt ([0-9a-f]{32}) ([0-9a-f]{64})\n?$/.exec(line) ?? []
  if (salt === undefined || hash === undefined) return false
  const secret = typed.toUpperCase().replaceAll(/[^A-Z0-9]/g, '')
  return timingSafeEqual(scryptSync(secret, Buffer.from(salt, 'hex'), 32, cost), Buffer.from(hash, 'hex'))
}
