import { pbkdf2Sync, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'

/** No letter that is taken for another when read aloud or written by hand. */
const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const cost = { N: 16_384, r: 8, p: 1 } as const
/** The secret has 80 bits: rounds add nothing but time at the boot menu. */
const menuRounds = 10_000

/** A recovery secret of 80 bits in four groups, and what is kept of it: a line for the rescue, and one for GRUB's menu. */
export function makeRecovery(): { secret: string; line: string; menuLine: string } {
  const bare = [...randomBytes(16)].map((byte) => letters[byte % 32]).join('')
  const secret = bare.replaceAll(/(.{4})(?=.)/g, '$1-')
  const [salt, menuSalt] = [randomBytes(16), randomBytes(64)]
  const menuHash = pbkdf2Sync(secret, menuSalt, menuRounds, 64, 'sha512')
  return {
    secret,
    line: `scrypt ${salt.toString('hex')} ${scryptSync(bare, salt, 32, cost).toString('hex')}\n`,
    // as grub-mkpasswd-pbkdf2 writes it; the menu wants the secret as it was shown, with hyphens
    menuLine: `grub.pbkdf2.sha512.${menuRounds}.${hex(menuSalt)}.${hex(menuHash)}\n`,
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase()

/** Whether this is the secret of that line; hyphens, blanks and small letters do not matter. A damaged line opens nothing. */
export function isRecovery(typed: string, line: string): boolean {
  const [, salt, hash] = /^scrypt ([0-9a-f]{32}) ([0-9a-f]{64})\n?$/.exec(line) ?? []
  if (salt === undefined || hash === undefined) return false
  const secret = typed.toUpperCase().replaceAll(/[^A-Z0-9]/g, '')
  return timingSafeEqual(scryptSync(secret, Buffer.from(salt, 'hex'), 32, cost), Buffer.from(hash, 'hex'))
}
