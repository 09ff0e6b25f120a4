/**
 * JSON in the one form that RFC 8785 allows, as bytes. `undefined` members are left out. By hand, since it stands six times in the
 * path of every call, and a library's care for what JSON never holds (cycles, boxed values, `toJSON`) costs more than the text; a
 * test holds it to one. Throws TypeError for what has no such form: NaN, infinities, half a surrogate pair, bigint.
 */
export function canonicalJson(value: unknown): Buffer {
  const text = textOf(value)
  if (text === undefined) throw new TypeError('nothing to write')
  return Buffer.from(text, 'utf8')
}

function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return stringOf(value)
    case 'number':
      // the shortest digits that name the same number, as RFC 8785 §3.2.2.3 wants, are ECMAScript's own
      if (!Number.isFinite(value)) throw new TypeError('no number of JSON')
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? `[${value.map((one) => textOf(one) ?? 'null').join(',')}]` : objectOf(value)
    case 'bigint':
      throw new TypeError('a bigint has no form in JSON')
    default:
      return undefined
  }
}

/** Members in the order of their names' UTF-16 units (RFC 8785 §3.2.3), which is that of `sort`. */
function objectOf(value: object): string {
  let text = '{'
  for (const name of Object.keys(value).sort()) {
    const member = textOf((value as Record<string, unknown>)[name])
    if (member !== undefined) text += `${text.length > 1 ? ',' : ''}${stringOf(name)}:${member}`
  }
  return `${text}}`
}

function stringOf(value: string): string {
  if (!value.isWellFormed()) throw new TypeError('half a surrogate pair')
  return JSON.stringify(value)
}
