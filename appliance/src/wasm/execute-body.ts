import { randomUUID } from 'node:crypto'
import { parseUniqueJson } from './unique-json.ts'

/** A body of JSON, and the program of it as it came, in base64, where that is large. */
export interface ExecuteBody {
  value: unknown
  /** What `encrypted_wasm` says; the member itself is then the empty text. It has a buffer of its own, which may be given away. */
  program?: Uint8Array<ArrayBuffer>
}

/** Bytes from which on a program is not read as text. */
const largeBytes = 16_384
const member = Buffer.from('"encrypted_wasm"')
const [quote, colon, backslash] = [0x22, 0x3a, 0x5c]
const spaces = [0x20, 0x09, 0x0a, 0x0d]
/** Stands for the program while the rest is read; nobody outside knows it. */
const placeholder = randomUUID()

/**
 * Reads a body without making text of its program: a megabyte would be decoded, parsed, looked through and copied once each, and
 * then left to the collector. What is cut out is anything between two quotes: who decodes it says whether it is base64. Throws
 * SyntaxError as `parseUniqueJson` does.
 */
export function parseExecuteBody(body: Buffer): ExecuteBody {
  const range = largeProgram(body)
  if (range === undefined) return { value: parseUniqueJson(body.toString()) }
  const [start, end] = range
  const value = parseUniqueJson(`${body.toString('utf8', 0, start)}${placeholder}${body.toString('utf8', end)}`)
  // one that stands deeper, or in another's text, is no program: then all of it is text
  if (!isObject(value) || value['encrypted_wasm'] !== placeholder) return { value: parseUniqueJson(body.toString()) }
  value['encrypted_wasm'] = ''
  const { buffer } = body
  if (buffer instanceof ArrayBuffer && buffer.byteLength === body.length)
    return { value, program: new Uint8Array(buffer, start, end - start) }
  return { value, program: new Uint8Array(body.subarray(start, end)) }
}

/** Where the text of the first member of that name begins and ends, if it is large and has no escapes. */
function largeProgram(body: Buffer): [number, number] | undefined {
  if (body.length < largeBytes) return undefined
  const named = body.indexOf(member)
  if (named < 0) return undefined
  let at = named + member.length
  const skip = (): void => {
    while (spaces.includes(body[at] ?? 0)) at += 1
  }
  skip()
  if (body[at] !== colon) return undefined
  at += 1
  skip()
  if (body[at] !== quote) return undefined
  const start = at + 1
  const end = body.indexOf(quote, start)
  if (end - start < largeBytes || body.subarray(start, end).includes(backslash)) return undefined
  return [start, end]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
