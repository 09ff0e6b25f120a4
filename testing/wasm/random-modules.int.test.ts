import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { driverName, driverOf, withDrivers } from './spec/drivers.ts'
import type { SpecConst } from './spec/script.ts'
import { readSections } from './spec/sections.ts'
import { openStand, type Ran, type WasmStand } from './stand/stand.ts'

const root = join(import.meta.dirname, '../..')
const folder = execFileSync(join(root, 'scripts/build-wasm-material.sh'), { encoding: 'utf8', timeout: 600_000 }).trim()
const files = readdirSync(join(folder, 'smith')).toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))

/** What a stranger's module may come to. Anything else is a fault of ours. */
const expected = [
  'OK',
  'WASM_TRAP',
  'GAS_EXHAUSTED',
  'EXECUTION_TIMEOUT',
  'MEMORY_EXCEEDED',
  'INVALID_WASM',
  'INVALID_ARGUMENTS',
  'IMPORTS_NOT_ALLOWED',
  'FUNCTION_NOT_FOUND',
]
const timeoutSeconds = 1
const concurrent = 8

/**
 * The module with a function that calls its first exported one with zeros; as it is where that cannot be written, and the name
 * is then likely one that it has not got.
 */
function callable(wasm: Buffer): { wasm: Buffer; function_name: string } {
  try {
    const sections = readSections(wasm)
    for (const [field, { kind, index }] of sections.exports) {
      const params = sections.types[sections.functions[index] ?? -1]?.params
      if (kind !== 0 || params === undefined) continue
      const driver = driverOf(sections, { type: 'invoke', field, args: params.map(zero) })
      return { wasm: withDrivers(sections, [driver]), function_name: driverName(0) }
    }
  } catch (error) {
    // a shape that the reader does not know is for the service to refuse
    if (!(error instanceof RangeError)) throw error
  }
  return { wasm, function_name: 'main' }
}

function zero(type: number): SpecConst {
  if (type === 0x7b) return { type: 'v128', lane_type: 'i64', value: ['0', '0'] }
  if (type === 0x70 || type === 0x6f) return { type: type === 0x70 ? 'funcref' : 'externref', value: 'null' }
  return { type: (['f64', 'f32', 'i64', 'i32'] as const)[type - 0x7c] ?? 'i32', value: '0' }
}

suite('random modules', () => {
  let stand: WasmStand
  before(async () => {
    stand = await openStand({
      server: { workers: 2 },
      // of the compiler: on a busy machine an ordinary module takes it seconds
      wasm: { max_execution_time_seconds: 120 },
      // a second of a compiler counts as that of a run: on a busy machine these thousand take minutes of one
      rate: { gas_burst: 1e15 },
    })
  })
  after(() => stand.close())

  test(`${files.length} of them: no crash, no hang, no leak; each ends with a word, and with gas where it ran`, async (t) => {
    const executors = stand.executors()
    const ends = new Map<string, number>()
    const odd: string[] = []
    const queue = [...files]
    async function worker(): Promise<void> {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        const { wasm, function_name } = callable(readFileSync(join(folder, 'smith', file)))
        const began = performance.now()
        const ran = await stand.run(wasm, { function_name, timeout_seconds: timeoutSeconds, gas_limit: '20000000' })
        const word = ran.code ?? 'OK'
        ends.set(word, (ends.get(word) ?? 0) + 1)
        if (!expected.includes(word) || !hasFacts(ran))
          odd.push(`seed ${file}: ${word} ${JSON.stringify(ran.body).slice(0, 300)}`)
        if (performance.now() - began > 300_000) odd.push(`seed ${file}: ${Math.round(performance.now() - began)} ms`)
      }
    }
    await Promise.all(Array.from({ length: concurrent }, worker))
    t.diagnostic(`seeds ${files[0]} to ${files.at(-1)}: ${[...ends].map(([word, count]) => `${word} ${count}`).join(', ')}`)
    assert.deepEqual(odd, [])
    assert.deepEqual(stand.executors(), executors, 'no executor died')
    assert.ok(existsSync(`/proc/${stand.pid}`))
    const { body } = await stand.get('/health')
    assert.equal(body['status'], 'ok')
    assert.deepEqual(body['capacity'], { ...(body['capacity'] as object), in_flight: 0, queued: 0 })
    assert.equal((body['memory_budget'] as Record<string, unknown>)['admitted_bytes'], 0)
    assert.ok(stand.residentBytes() < 700 * 2 ** 20, `${Math.round(stand.residentBytes() / 2 ** 20)} MiB`)
    // many kinds of ends, or the generator makes nothing worth running
    assert.ok((ends.get('OK') ?? 0) > 200 && ends.size >= 5, [...ends.keys()].join(' '))
  })
})

/** A run has a receipt and gas, a refusal before it has neither: a memory may begin too large or be asked for too much. */
function hasFacts({ code, summary, receipt, body }: Ran): boolean {
  const ran =
    code === undefined ||
    ['WASM_TRAP', 'GAS_EXHAUSTED', 'EXECUTION_TIMEOUT'].includes(code) ||
    (code === 'MEMORY_EXCEEDED' && !String(body['message']).includes('begins with'))
  return ran ? /^\d+$/.test(summary?.gas_used ?? '') && receipt !== undefined : receipt === undefined
}
