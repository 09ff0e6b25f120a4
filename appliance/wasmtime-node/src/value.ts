import { WasmError } from './errors.ts'

/** The types of numbers that can be passed in and out. */
export type NumberType = 'i32' | 'i64' | 'f32' | 'f64'

/** A number on its way in or out: i64 as decimal string, NaN and infinities as strings, the rest as JSON numbers. */
export interface TypedValue {
  type: NumberType
  value: number | string
}

/** A value as a caller writes it; without `type` that of the signature counts. */
export interface LooseValue {
  type?: NumberType | undefined
  value: number | string | bigint
}

const ranges = {
  i32: [-(2n ** 31n), 2n ** 32n - 1n],
  i64: [-(2n ** 63n), 2n ** 64n - 1n],
} as const

export function isNumberType(text: string): text is NumberType {
  return text === 'i32' || text === 'i64' || text === 'f32' || text === 'f64'
}

/** Eight little-endian bytes for each argument. Integers may be written signed or unsigned. Throws `invalid-arguments`. */
export function encodeArguments(params: readonly string[], values: readonly LooseValue[]): Buffer {
  if (params.length !== values.length) {
    throw refusal(`the function takes ${params.length} arguments and got ${values.length}`)
  }
  const bytes = Buffer.alloc(values.length * 8)
  params.forEach((type, i) => {
    const value = values[i]
    if (!isNumberType(type)) throw refusal(`argument ${i} is of type ${type}, which cannot be passed`)
    if (value?.type !== undefined && value.type !== type) throw refusal(`argument ${i} is ${value.type} and must be ${type}`)
    write(bytes, i, type, value?.value)
  })
  return bytes
}

/** The results of a run as typed values. */
export function decodeResults(types: readonly string[], bytes: Buffer): TypedValue[] {
  return types.map((type, i) => {
    const at = i * 8
    switch (type) {
      case 'i32':
        return { type, value: bytes.readInt32LE(at) }
      case 'i64':
        return { type, value: String(bytes.readBigInt64LE(at)) }
      case 'f32':
        return { type, value: jsonFloat(bytes.readFloatLE(at)) }
      case 'f64':
        return { type, value: jsonFloat(bytes.readDoubleLE(at)) }
      default:
        throw refusal(`result ${i} is of type ${type}, which cannot be passed`)
    }
  })
}

function write(bytes: Buffer, i: number, type: NumberType, value: LooseValue['value'] | undefined): void {
  if (type === 'f32') bytes.writeFloatLE(float(value, i), i * 8)
  else if (type === 'f64') bytes.writeDoubleLE(float(value, i), i * 8)
  else bytes.writeBigUInt64LE(BigInt.asUintN(type === 'i32' ? 32 : 64, integer(value, i, type)), i * 8)
}

function integer(value: LooseValue['value'] | undefined, i: number, type: 'i32' | 'i64'): bigint {
  const text = typeof value === 'number' ? (Number.isSafeInteger(value) ? String(value) : '') : String(value ?? '')
  const parsed = /^-?\d{1,20}$/.test(text) ? BigInt(text) : undefined
  const [least, most] = ranges[type]
  if (parsed === undefined || parsed < least || parsed > most) throw refusal(`argument ${i} is no ${type}`)
  return parsed
}

function float(value: LooseValue['value'] | undefined, i: number): number {
  if (typeof value === 'number') return value
  const words: Record<string, number> = { NaN: Number.NaN, Infinity: Infinity, '-Infinity': -Infinity, '-0': -0 }
  if (typeof value === 'string' && value in words) return words[value] ?? Number.NaN
  if (typeof value === 'string' && /^-?\d{1,309}(\.\d{1,400})?(e[+-]?\d{1,4})?$/i.test(value)) return Number(value)
  throw refusal(`argument ${i} is no number`)
}

/** JSON has no NaN, no infinities and no negative zero. */
function jsonFloat(value: number): number | string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : value
  return String(value)
}

function refusal(message: string): WasmError {
  return new WasmError('invalid-arguments', message, 'Compare with the signature of the function.')
}
