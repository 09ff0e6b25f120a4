import { leb, section, vector } from 'wasmtime-node/binary-module'
import type { SpecAction, SpecConst } from './script.ts'
import { sectionIds, type Sections } from './sections.ts'

const [i32, i64, f32, f64, v128, funcref, externref] = [0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f]

/** Why an action has no driver. */
export class NoDriver extends Error {}

/** A function that makes one action of a test with its arguments as constants, and gives the results as bits in integers. */
interface Driver {
  type: Buffer
  code: Buffer
}

export const idle = '\u0001idle'
export const driverName = (n: number): string => `\u0001${n}`

/**
 * The module with a function for each action behind its own ones. So NaN patterns, vectors and references go in and out exactly,
 * though the package's API takes plain numbers only, and every action is a call without arguments. `idle` does nothing: calling
 * it instantiates.
 */
export function withDrivers(sections: Sections, drivers: readonly (Driver | undefined)[]): Buffer {
  const nothing: Driver = { type: signature([]), code: body([], Buffer.alloc(0)) }
  const added = [
    ...drivers.flatMap((driver, n) => (driver ? [{ ...driver, name: driverName(n) }] : [])),
    { ...nothing, name: idle },
  ]
  const [types, functions] = [sections.types.length, sections.functions.length]
  const more: Record<number, Buffer[]> = {
    [sectionIds.type]: added.map(({ type }) => type),
    [sectionIds.function]: added.map((_, n) => leb(types + n)),
    [sectionIds.export]: added.map(({ name }, n) => {
      const text = Buffer.from(name)
      return Buffer.concat([leb(text.length), text, Buffer.from([0]), leb(functions + n)])
    }),
    [sectionIds.code]: added.map(({ code }) => Buffer.concat([leb(code.length), code])),
  }
  const whole: Buffer[] = [Buffer.from('0061736d01000000', 'hex')]
  const missing = new Set(Object.keys(more).map(Number))
  const before = (id: number): void => {
    for (const absent of [...missing].filter((one) => place(one) < place(id)).toSorted((a, b) => place(a) - place(b))) {
      missing.delete(absent)
      whole.push(section(absent, vector(more[absent] ?? [])))
    }
  }
  for (const { id, content } of sections.all) {
    if (id !== 0) before(id)
    missing.delete(id)
    const items = more[id]
    whole.push(section(id, items === undefined ? content : extended(content, items)))
  }
  before(99)
  return Buffer.concat(whole)
}

/** Sections stand in the order of their ids, but for the count of data (12), which stands before the code (10). */
function place(id: number): number {
  return id === 12 ? 9.5 : id
}

function extended(content: Buffer, items: readonly Buffer[]): Buffer {
  let [count, at] = [0, 0]
  for (let shift = 0; ; shift += 7) {
    const byte = content.readUInt8(at++)
    count += (byte & 127) * 2 ** shift
    if (byte < 128) break
  }
  return Buffer.concat([leb(count + items.length), content.subarray(at), ...items])
}

/** Throws `NoDriver` for what cannot be written as constants. */
export function driverOf(sections: Sections, action: SpecAction): Driver {
  const found = sections.exports.get(action.field)
  if (found === undefined) throw new NoDriver('no such export')
  if (action.type === 'get') {
    const type = sections.globals[found.index]
    if (type === undefined) throw new NoDriver('a global behind a long constant')
    return finish([type], Buffer.concat([Buffer.from([0x23]), leb(found.index)]))
  }
  const type = sections.types[sections.functions[found.index] ?? -1]
  if (type === undefined) throw new NoDriver('no such function')
  const push = Buffer.concat((action.args ?? []).map(constant))
  return finish(type.results, Buffer.concat([push, Buffer.from([0x10]), leb(found.index)]))
}

function finish(results: readonly number[], call: Buffer): Driver {
  const keep = results.map((_, n) => Buffer.from([0x21, n])).toReversed()
  const give = results.map((type, n) => {
    const get = [0x20, n]
    if (type === f32) return Buffer.from([...get, 0xbc])
    if (type === f64) return Buffer.from([...get, 0xbd])
    if (type === v128) return Buffer.from([...get, 0xfd, 0x1d, 0, ...get, 0xfd, 0x1d, 1])
    if (type === funcref || type === externref) return Buffer.from([...get, 0xd1])
    return Buffer.from(get)
  })
  const types = results.flatMap((type) => (type === v128 ? [i64, i64] : [type === i64 || type === f64 ? i64 : i32]))
  return { type: signature(types), code: body(results, Buffer.concat([call, ...keep, ...give])) }
}

function signature(results: readonly number[]): Buffer {
  return Buffer.from([0x60, 0, results.length, ...results])
}

function body(locals: readonly number[], code: Buffer): Buffer {
  return Buffer.concat([vector(locals.map((type) => Buffer.from([1, type]))), code, Buffer.from([0x0b])])
}

function constant(value: SpecConst): Buffer {
  switch (value.type) {
    case 'i32':
      return Buffer.concat([Buffer.from([0x41]), signedLeb(BigInt.asIntN(32, BigInt(value.value)))])
    case 'i64':
      return Buffer.concat([Buffer.from([0x42]), signedLeb(BigInt.asIntN(64, BigInt(value.value)))])
    case 'f32':
      return Buffer.concat([Buffer.from([0x43]), bits(32, value.value)])
    case 'f64':
      return Buffer.concat([Buffer.from([0x44]), bits(64, value.value)])
    case 'v128':
      return Buffer.concat([Buffer.from([0xfd, 0x0c]), ...value.value.map((lane) => bits(laneBits(value.lane_type), lane))])
    case 'funcref':
    case 'externref':
      if (value.value === 'null') return Buffer.from([0xd0, value.type === 'funcref' ? funcref : externref])
      throw new NoDriver('a reference of the host')
    default:
      throw new NoDriver('a constant of another kind')
  }
}

export function laneBits(type: string): number {
  return Number(type.slice(1))
}

function bits(width: number, text: string): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(width, BigInt(text)))
  return bytes.subarray(0, width / 8)
}

function signedLeb(value: bigint): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    const low = Number(rest & 127n)
    if ((rest >> 7n === 0n && low < 64) || (rest >> 7n === -1n && low >= 64)) return Buffer.from([...bytes, low])
    bytes.push(low | 128)
  }
}
