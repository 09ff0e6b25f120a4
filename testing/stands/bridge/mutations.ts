import fc from 'fast-check'

/** A JSON value in which something was replaced, added or taken away. */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

const odd: readonly Json[] = [
  ...['', '\0', '../x', '$(id)', '; reboot', 'eth0', 'fhbr0', '10.77.0.1', '0.0.0.0', '::', '52:54:00:00:00:02', '１'],
  ...[0, -1, 1.5, 65_536, 2 ** 53, -0, 1e308],
  ...[null, true, [], {}, [[]], { length: 1 }, { __proto__: 1, constructor: 'x' }],
]

/** Paths to every place in a value, the value itself first. */
function places(value: Json, at: readonly (string | number)[] = []): (string | number)[][] {
  const inner =
    value !== null && typeof value === 'object'
      ? Object.entries(value).flatMap(([key, part]) => places(part, [...at, Array.isArray(value) ? Number(key) : key]))
      : []
  return [[...at], ...inner]
}

function change(value: Json, path: readonly (string | number)[], make: (part: Json) => Json | undefined): Json | undefined {
  const [first, ...rest] = path
  if (first === undefined) return make(value)
  if (Array.isArray(value)) {
    return value.flatMap((part, i) => {
      const changed = i === first ? change(part, rest, make) : part
      return changed === undefined ? [] : [changed]
    })
  }
  const fields = Object.entries(value as { [key: string]: Json }).flatMap(([key, part]) => {
    const changed = key === first ? change(part, rest, make) : part
    return changed === undefined ? [] : [[key, changed] as const]
  })
  return Object.fromEntries(fields)
}

const pick = fc.nat()
const structural = (seed: Json) =>
  fc
    .tuple(pick, fc.constantFrom('replace', 'drop', 'add', 'double', 'edge'), fc.constantFrom(...odd), pick)
    .map(([at, how, other, n]) => {
      const all = places(seed)
      const changed = change(seed, all[at % all.length] ?? [], (part) => {
        if (how === 'drop') return undefined
        if (how === 'add' && Array.isArray(part)) return [...part, other]
        if (how === 'add' && part !== null && typeof part === 'object')
          return Object.fromEntries([...Object.entries(part), [`x${n % 9}`, other]])
        if (how === 'double' && Array.isArray(part)) return [...part, ...part]
        if (how === 'edge' && typeof part === 'number') return part + [-1, 1, 1000, -1000][n % 4]!
        if (how === 'edge' && typeof part === 'string') {
          const i = n % (part.length + 1)
          return `${part.slice(0, i)}${typeof other === 'string' ? other : '9'}${part.slice(i)}`
        }
        return other
      })
      return `${JSON.stringify(changed ?? null)}\n`
    })

/** Bytes of the request that were flipped, cut out or put in. */
const bytes = (seed: Json) =>
  fc
    .tuple(pick, fc.constantFrom('flip', 'cut', 'insert'), fc.uint8Array({ minLength: 1, maxLength: 8 }))
    .map(([at, how, noise]) => {
      const whole = Buffer.from(`${JSON.stringify(seed)}\n`)
      const i = at % whole.length
      if (how === 'flip')
        return Buffer.concat([whole.subarray(0, i), Buffer.from([whole[i]! ^ (1 << (at % 8))]), whole.subarray(i + 1)])
      if (how === 'cut') return Buffer.concat([whole.subarray(0, i), whole.subarray(i + noise.length)])
      return Buffer.concat([whole.subarray(0, i), noise, whole.subarray(i)])
    })

/** `count` requests that were sound before they were mutated; the same for the same seed. */
export function mutations(seeds: readonly Json[], count: number, seed: number): (string | Buffer)[] {
  const one = fc.constantFrom(...seeds).chain((request) => fc.oneof(structural(request), structural(request), bytes(request)))
  return fc.sample(one, { seed, numRuns: count })
}
