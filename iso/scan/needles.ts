/** Something that must not be found, with the name under which it is told. */
export interface Secret {
  name: string
  value: string
}

/** One way in which a secret may stand somewhere. */
export interface Needle {
  secret: string
  form: string
  bytes: Buffer
}

/** Where one was found; the place is told, the secret is not. */
export interface Find {
  secret: string
  form: string
  where: string
}

/** Shorter ones are found by chance in any large enough heap of bytes. */
const shortest = 6

/**
 * Every form in which a secret is looked for: as written, without its blanks and dashes, in either case, percent-encoded, UTF-16, the
 * bytes that it is hex of, its own bytes in hex, and base64 of all of it at each of the three alignments, so that it is found in the
 * middle of something longer.
 */
export function needlesOf(secrets: readonly Secret[]): Needle[] {
  return secrets.flatMap(({ name, value }) => {
    const found = new Map<string, Needle>()
    const add = (form: string, bytes: Buffer): void => {
      if (bytes.length < shortest) throw new Error(`${name} is too short to be looked for: ${bytes.length} bytes`)
      const key = bytes.toString('latin1')
      if (!found.has(key)) found.set(key, { secret: name, form, bytes })
    }
    const plain = value.replaceAll(/[-\s]/g, '')
    for (const [form, text] of [
      ['as written', value],
      ['without blanks', plain],
      ['in lower case', plain.toLowerCase()],
      ['in upper case', plain.toUpperCase()],
      ['percent-encoded', encodeURIComponent(value)],
    ] as const) {
      const bytes = Buffer.from(text)
      add(form, bytes)
      add(`${form}, UTF-16`, Buffer.from(text, 'utf16le'))
      add(`${form}, in hex`, Buffer.from(bytes.toString('hex')))
      for (const [alignment, kernel] of base64Kernels(bytes).entries()) {
        add(`${form}, base64 at ${alignment}`, Buffer.from(kernel))
        add(`${form}, base64url at ${alignment}`, Buffer.from(kernel.replaceAll('+', '-').replaceAll('/', '_')))
      }
    }
    const hex = /^(?:0x)?((?:[0-9a-fA-F]{2}){16,})$/.exec(value)?.[1]
    if (hex !== undefined) {
      const bytes = Buffer.from(hex, 'hex')
      add('its bytes', bytes)
      add('hex without 0x', Buffer.from(hex.toLowerCase()))
      add('hex without 0x, upper case', Buffer.from(hex.toUpperCase()))
      for (const [alignment, kernel] of base64Kernels(bytes).entries())
        add(`its bytes, base64 at ${alignment}`, Buffer.from(kernel))
    }
    return [...found.values()]
  })
}

/** The characters of base64 that depend on these bytes alone, wherever in a longer text they begin. */
function base64Kernels(bytes: Buffer): string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replaceAll('=', '')
    const from = Math.ceil((before * 8) / 6)
    const to = Math.floor(((before + bytes.length) * 8) / 6)
    return text.slice(from, to)
  })
}

/** All needles in these bytes, each at its first place. `offset`: where the bytes begin. */
export function findIn(bytes: Buffer, needles: readonly Needle[], place: string, offset = 0): Find[] {
  return needles.flatMap(({ secret, form, bytes: wanted }) => {
    const at = bytes.indexOf(wanted)
    return at < 0 ? [] : [{ secret, form, where: `${place} at ${offset + at}` }]
  })
}
