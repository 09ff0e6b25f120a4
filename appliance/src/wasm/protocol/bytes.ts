/** Canonical base64 of any length; undefined for anything that another text would say as well (RFC 4648 §3.5). */
export function parseBase64(text: string | Uint8Array): Buffer | undefined {
  const signs = typeof text === 'string' ? text : Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1')
  try {
    const bytes = Uint8Array.fromBase64(signs, { lastChunkHandling: 'strict' })
    // the standard's decoder skips white space, and nothing else
    return Math.ceil(bytes.length / 3) * 4 === signs.length ? Buffer.from(bytes.buffer) : undefined
  } catch {
    return undefined
  }
}
