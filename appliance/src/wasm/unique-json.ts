/**
 * JSON whose objects name each member once; two readers of a document with a member twice may see two documents (RFC 8259 §4).
 * Throws SyntaxError. Strings are skipped with `indexOf`, so a megabyte of base64 costs what `JSON.parse` costs.
 */
export function parseUniqueJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  // it is valid JSON: from here on only strings and brackets matter
  const open: (Set<string> | null)[] = []
  let expectsKey = false
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case '{':
        open.push(new Set())
        expectsKey = true
        break
      case '[':
        open.push(null)
        expectsKey = false
        break
      case '}':
      case ']':
        open.pop()
        expectsKey = false
        break
      case ',':
        expectsKey = open.at(-1) !== null
        break
      case '"': {
        const end = endOfString(text, at)
        const names = open.at(-1)
        if (expectsKey && names !== null && names !== undefined) {
          const name = JSON.parse(text.slice(at, end + 1)) as string
          if (names.has(name)) throw new SyntaxError('a member stands twice')
          names.add(name)
          expectsKey = false
        }
        at = end
        break
      }
      default:
    }
  }
  return value
}

function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); ; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text[at - 1 - slashes] === '\\') slashes += 1
    if (slashes % 2 === 0) return at
  }
}
