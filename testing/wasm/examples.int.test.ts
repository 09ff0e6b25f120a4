import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openStand, type WasmStand } from './stand/stand.ts'

const folder = join(import.meta.dirname, '../../appliance/wasm-client/examples')
const expected = [
  ['collatz.wasm', 'longest', [{ value: '1000000' }], { type: 'i64', value: '837799' }],
  ['crc32.wasm', 'check', [], { type: 'i32', value: 0xcbf4_3926 | 0 }],
  ['crc32.wasm', 'crc32', [{ value: '0' }], { type: 'i32', value: 0x6522_df69 }],
  ['primes.wasm', 'primes', [{ value: 100_000 }], { type: 'i32', value: 9592 }],
] as const

suite('the examples', () => {
  let stand: WasmStand
  before(async () => {
    stand = await openStand({ server: { workers: 1 } })
  })
  after(() => stand.close())

  for (const [file, functionName, args, result] of expected) {
    test(`${file} ${functionName} through the client`, async () => {
      const wasm = readFileSync(join(folder, file))
      assert.ok(wasm.length < 4096, 'an example is small')
      const ran = await stand.run(wasm, { function_name: functionName, arguments: args })
      assert.equal(ran.status, 200, JSON.stringify(ran.body))
      assert.deepEqual(ran.opened?.results, [result])
    })
  }

  test('each file has a test here', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.wasm'))
    assert.deepEqual(files.toSorted(), [...new Set(expected.map(([file]) => file))].toSorted())
  })
})
