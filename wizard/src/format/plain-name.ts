/** Somebody else's words, but short, in one line, and without the signs that turn the text around them. */
export function plainName(name: string): string {
  const plain = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim()
  return plain === '' ? '?' : Array.from(plain).slice(0, 40).join('')
}
