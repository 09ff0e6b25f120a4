/** Canonical base64 of any length; undefined for anything that another text would say as well (RFC 4648 §3.5). */
export function parseBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
