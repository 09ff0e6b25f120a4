import { randomBytes } from 'node:crypto'

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Eight characters of Crockford's base32 from the system's random source, without a dash: 40 bits. */
export function newCode(): string {
  // 256 is a multiple of 32: no character is likelier than another
  return [...randomBytes(8)].map((byte) => alphabet[byte % 32]).join('')
}

/** The plain code in a text: dash, blanks and case ignored, `O` → `0`, `I`, `L` → `1`. Undefined if it is none. */
export function parseCode(text: string): string | undefined {
  const plain = text.replaceAll(/[-\s]/g, '').toUpperCase().replaceAll('O', '0').replaceAll(/[IL]/g, '1')
  return /^[0-9A-HJKMNP-TV-Z]{8}$/.test(plain) ? plain : undefined
}

/** 32 lower-case hex digits: nonces and request ids. */
export function newHexId(): string {
  return randomBytes(16).toString('hex')
}
