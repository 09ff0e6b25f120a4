import canonicalize from 'canonicalize'

/** JSON in the one form that RFC 8785 allows, as bytes. `undefined` members are left out. */
export function canonicalJson(value: unknown): Buffer {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('nothing to write')
  return Buffer.from(text, 'utf8')
}
