import type { TypedValue } from 'wasmtime-node/value'
import { laneBits } from './drivers.ts'
import type { SpecConst } from './script.ts'

/** Whether the integers that a driver gave are the results that the test expects; NaN patterns as the specification defines them. */
export function matches(expected: readonly SpecConst[], got: readonly TypedValue[]): boolean {
  const bits = got.map(({ value }) => BigInt(value))
  let at = 0
  for (const one of expected) {
    const taken = one.type === 'v128' ? 2 : 1
    if (!matchesOne(one, bits.slice(at, at + taken))) return false
    at += taken
  }
  return at === bits.length
}

function matchesOne(expected: SpecConst, [low = 0n, high = 0n]: bigint[]): boolean {
  switch (expected.type) {
    case 'either':
      return expected.values.some((one) => matchesOne(one, [low, high]))
    case 'funcref':
    case 'externref':
      return (low === 1n) === (expected.value === 'null')
    case 'v128': {
      const width = BigInt(laneBits(expected.lane_type))
      const whole = BigInt.asUintN(64, low) | (BigInt.asUintN(64, high) << 64n)
      return expected.value.every((lane, n) =>
        matchesBits(lane, Number(width), BigInt.asUintN(Number(width), whole >> (BigInt(n) * width))),
      )
    }
    default: {
      const width = laneBits(expected.type)
      return matchesBits(expected.value, width, BigInt.asUintN(width, low))
    }
  }
}

function matchesBits(text: string, width: number, bits: bigint): boolean {
  if (!text.startsWith('nan:')) return BigInt.asUintN(width, BigInt(text)) === bits
  const mantissa = width === 32 ? 23n : 52n
  const quiet = 1n << (mantissa - 1n)
  const exponent = ((1n << (BigInt(width) - 1n - mantissa)) - 1n) << mantissa
  const unsigned = BigInt.asUintN(width - 1, bits)
  // canonical: the quiet bit alone; arithmetic: the quiet bit and anything
  return text === 'nan:canonical' ? unsigned === (exponent | quiet) : (unsigned & (exponent | quiet)) === (exponent | quiet)
}
