import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { RunRequest } from '@freehold/wasm-client/seal'
import { i32, leb, moduleOfBody, nestedBlocks, nestedConditions, section, vector, wideTable } from 'wasmtime-node/binary-module'
import { fromText } from 'wasmtime-node/wat'
import { openStand, type Ran, type WasmStand } from './stand/stand.ts'

const MiB = 2 ** 20
const sliceGas = 100_000n
const budgetMiB = 256

let stand: WasmStand
before(async () => {
  stand = await openStand({
    server: { workers: 2 },
    wasm: { max_execution_time_seconds: 10, memory_budget_mb: budgetMiB, default_gas_limit: '500000000' },
  })
})
after(() => stand.close())

/** What a run came to: HTTP status, code, how it ended, gas as counted and whether to the unit. */
interface Expected {
  status: number
  code: string | undefined
  ended: string
  gas: bigint | ((gas: bigint) => boolean)
  exact?: boolean
  results?: unknown[]
}

function ends(ran: Ran, { status, code, ended, gas, exact = true, results }: Expected): void {
  assert.deepEqual([ran.status, ran.code, ran.summary?.status], [status, code, ended], JSON.stringify(ran.body).slice(0, 500))
  const used = BigInt(ran.summary?.gas_used ?? -1)
  if (typeof gas === 'bigint') assert.equal(used, gas)
  else assert.ok(gas(used), `gas ${used}`)
  assert.equal(ran.summary?.gas_exact, exact)
  const billed = BigInt(ran.summary?.gas_billed ?? -1)
  assert.ok(exact ? billed === used : billed > used && billed <= used + sliceGas, `billed ${billed} for ${used}`)
  assert.ok(ran.receipt !== undefined, 'every end has a receipt')
  if (results !== undefined) assert.deepEqual(ran.opened?.results, results)
}

/** Refused before anything ran: no gas, no receipt. */
function refused(ran: Ran, status: number, code: string): void {
  assert.deepEqual(
    [ran.status, ran.code, ran.summary, ran.receipt],
    [status, code, undefined, undefined],
    JSON.stringify(ran.body),
  )
}

/** Whether times are held too: a busy machine proves nothing by them. */
const timed = process.env['FREEHOLD_ALL'] === '1'
const runText = async (text: string, request: Partial<RunRequest> = {}) => await stand.run(await fromText(text), request)
const main = (body: string, more = '') => `(module ${more} (func (export "main") ${body}))`

suite('hostile programs: outcome, code and gas of each', () => {
  test('an endless loop ends at its deadline with the gas of whole slices', async () => {
    const began = performance.now()
    const ran = await runText(main('(loop br 0)'), { timeout_seconds: 1, gas_limit: '100000000000000' })
    ends(ran, {
      status: 408,
      code: 'EXECUTION_TIMEOUT',
      ended: 'deadline',
      gas: (gas) => gas > 10n ** 7n && gas % sliceGas === 0n,
    })
    if (timed) assert.ok((ran.summary?.run_ms ?? 0) < 1100 && performance.now() - began < 3000)
  })

  test('an endless loop ends with its gas, to the unit', async () => {
    const ran = await runText(main('(loop br 0)'), { gas_limit: '1234567' })
    ends(ran, { status: 422, code: 'GAS_EXHAUSTED', ended: 'out-of-gas', gas: 1_234_567n })
  })

  test('a loop in `start` is paid for and ended in the same way', async () => {
    const text = '(module (func $s (loop br 0)) (start $s) (func (export "main")))'
    ends(await runText(text, { gas_limit: '54321' }), { status: 422, code: 'GAS_EXHAUSTED', ended: 'out-of-gas', gas: 54_321n })
    const late = await runText(text, { timeout_seconds: 1, gas_limit: '100000000000000' })
    ends(late, { status: 408, code: 'EXECUTION_TIMEOUT', ended: 'deadline', gas: (gas) => gas > 10n ** 7n })
  })

  test('endless recursion traps', async () => {
    const ran = await runText('(module (func $f (export "main") (call $f)))')
    ends(ran, { status: 422, code: 'WASM_TRAP', ended: 'trapped', gas: (gas) => gas >= 0n && gas < 10n ** 6n, exact: false })
    assert.match(String(ran.body['message']), /stack/)
  })

  test('a million turns before a trap are not free: a slice at most is missing, it is said, and it is billed', async () => {
    const text = main(
      '(local i32) (loop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 0) (i32.const 1000000)))) (drop (i32.div_u (i32.const 1) (i32.const 0)))',
    )
    ends(await runText(text), {
      status: 422,
      code: 'WASM_TRAP',
      ended: 'trapped',
      gas: (gas) => gas > 8_000_000n - sliceGas - 20n && gas <= 8_000_010n,
      exact: false,
    })
  })

  test('memory.grow in a loop gets -1 at the cap and never more than 64 MiB', async () => {
    const text = `(module (memory 1) (func (export "main") (result i32) (local i32)
      (loop (local.set 0 (memory.grow (i32.const 16))) (br_if 0 (i32.ne (local.get 0) (i32.const -1)))) memory.size))`
    ends(await runText(text), {
      status: 200,
      code: undefined,
      ended: 'returned',
      gas: (gas) => gas > 0n && gas < 10_000n,
      results: [{ type: 'i32', value: 1009 }],
    })
  })

  test('a trap after a refused grow is MEMORY_EXCEEDED; a memory that begins too large is refused before', async () => {
    const ran = await runText(main('(drop (memory.grow (i32.const 60000))) unreachable', '(memory 1)'))
    ends(ran, { status: 422, code: 'MEMORY_EXCEEDED', ended: 'memory-exceeded', gas: (gas) => gas > 0n && gas < 100n })
    refused(await runText(main('', '(memory 1025)')), 422, 'MEMORY_EXCEEDED')
    refused(await runText(main('', '(memory 65536)')), 422, 'MEMORY_EXCEEDED')
  })

  test('100 times 64 MiB touched at once never pass the budget; whoever gets none is told so and pays nothing', async (t) => {
    // 6 GiB are touched page by page: on a busy machine longer than a program of the others may take
    const patient = await openStand({
      server: { workers: 2 },
      wasm: { max_execution_time_seconds: 300, memory_budget_mb: budgetMiB },
    })
    t.after(() => patient.close())
    const text = main(
      `(result i32) (local i32) (if (i32.eq (memory.grow (i32.const 1023)) (i32.const -1)) (then unreachable))
      (loop (i32.store8 (local.get 0) (i32.const 1)) (local.set 0 (i32.add (local.get 0) (i32.const 4096)))
      (br_if 0 (i32.lt_u (local.get 0) (i32.const 67108864)))) (i32.const 7)`,
      '(memory 1)',
    )
    const wasm = await fromText(text)
    await patient.run(wasm, { timeout_seconds: 300 })
    const idle = patient.residentBytes()
    let most = 0
    const watch = setInterval(() => (most = Math.max(most, patient.residentBytes())), 20)
    const all = await Promise.all(Array.from({ length: 100 }, () => patient.run(wasm, { timeout_seconds: 300 })))
    clearInterval(watch)
    const words = new Set(all.map(({ status, code }) => `${status} ${code ?? 'OK'}`))
    assert.ok(
      [...words].every((word) => ['200 OK', '503 CAPACITY_EXCEEDED'].includes(word)),
      [...words].join(', '),
    )
    const well = all.filter(({ status }) => status === 200)
    assert.ok(well.length > 0 && new Set(well.map(({ summary }) => summary?.gas_used)).size === 1, 'the same gas for all')
    for (const { code, summary } of all) if (code !== undefined && summary !== undefined) assert.equal(summary.gas_billed, '0')
    assert.ok(most - idle < (budgetMiB + 100) * MiB, `${Math.round((most - idle) / MiB)} MiB more than idle`)
  })

  test('memory.fill of 64 MiB costs a unit for each byte, also where it fails', async () => {
    const fill = (size: number) => main(`(memory.fill (i32.const 0) (i32.const 1) (i32.const ${size}))`, '(memory 1024)')
    ends(await runText(fill(64 * MiB)), {
      status: 200,
      code: undefined,
      ended: 'returned',
      gas: (gas) => gas >= BigInt(64 * MiB),
    })
    const short = await runText(fill(64 * MiB), { gas_limit: '1000000' })
    ends(short, { status: 422, code: 'GAS_EXHAUSTED', ended: 'out-of-gas', gas: 1_000_000n })
  })

  for (const [what, wasm] of [
    ['a br_table of 60,000 targets', moduleOfBody(wideTable(60_000))],
    ['50,000 locals', moduleOfBody(Buffer.alloc(0), [[50_000, i32]])],
    ['1,500 nested blocks', moduleOfBody(nestedBlocks(1500))],
    ['30,000 nested conditions', moduleOfBody(nestedConditions(30_000))],
    ['a million types', withTypes(1_000_000)],
    ['200,000 tiny functions', tinyFunctions(200_000)],
    ['trailing garbage', Buffer.concat([moduleOfBody(Buffer.alloc(0)), Buffer.from('garbage')])],
    ['text', Buffer.from('(module)')],
    ['a component', Buffer.from('0061736d0d000100', 'hex')],
    ['no bytes', Buffer.alloc(0)],
  ] as const) {
    test(`${what}: INVALID_WASM before anything runs, in no time`, async () => {
      const began = performance.now()
      refused(await stand.run(wasm), 422, 'INVALID_WASM')
      if (timed) assert.ok(performance.now() - began < 2000)
    })
  }

  for (const [what, text, feature] of [
    ['several memories', '(module (memory 1) (memory 1) (func (export "main")))', { multi_memory: true }],
    ['a 64-bit memory', '(module (memory i64 1) (func (export "main")))', { memory64: true }],
    ['a memory shared among threads', '(module (memory 1 1 shared) (func (export "main")))', { threads: true }],
    [
      'an atomic operation',
      '(module (memory 1) (func (export "main") (result i32) (i32.atomic.load (i32.const 0))))',
      { threads: true },
    ],
    ['an exception', '(module (tag $e) (func (export "main") (throw $e)))', { exceptions: true }],
    [
      'relaxed SIMD, whose result the processor chooses',
      '(module (func (export "main") (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))',
      { relaxed_simd: true },
    ],
  ] as const) {
    test(`${what}: INVALID_WASM`, async () => refused(await stand.run(await fromText(text, feature, false)), 422, 'INVALID_WASM'))
  }

  for (const kind of ['(func)', '(memory 1)', '(table 1 funcref)', '(global i32)']) {
    test(`an import of ${kind}: IMPORTS_NOT_ALLOWED`, async () => {
      refused(await runText(`(module (import "env" "x" ${kind}) (func (export "main")))`), 422, 'IMPORTS_NOT_ALLOWED')
    })
  }

  test('a memory of no pages is one, and reading it traps', async () => {
    const none = await runText(main('(result i32) memory.size', '(memory 0)'))
    ends(none, { status: 200, code: undefined, ended: 'returned', gas: 2n, results: [{ type: 'i32', value: 0 }] })
    const read = await runText(main('(result i32) (i32.load (i32.const 0))', '(memory 0)'))
    ends(read, { status: 422, code: 'WASM_TRAP', ended: 'trapped', gas: (gas) => gas < 10n, exact: false })
  })

  test('a megabyte of custom section is no fault', async () => {
    const custom = section(0, Buffer.concat([Buffer.from([1, 0x78]), Buffer.alloc(MiB)]))
    const ran = await stand.run(Buffer.concat([moduleOfBody(Buffer.alloc(0)), custom]))
    ends(ran, { status: 200, code: undefined, ended: 'returned', gas: 1n, results: [] })
  })

  for (const [what, more] of [
    ['a memory', '(memory (export "main") 1)'],
    ['a table', '(table (export "main") 1 funcref)'],
    ['a global', '(global (export "main") i32 (i32.const 0))'],
  ] as const) {
    test(`${what} called as a function: FUNCTION_NOT_FOUND`, async () =>
      refused(await runText(`(module ${more})`), 422, 'FUNCTION_NOT_FOUND'))
  }

  test('two exports of one name: INVALID_WASM', async () => {
    const text = '(module (memory (export "main") 1) (func (export "main")))'
    refused(await stand.run(await fromText(text, {}, false)), 422, 'INVALID_WASM')
  })

  for (const [type, value, back] of [
    ['i64', '-9223372036854775808', '-9223372036854775808'],
    ['i64', '18446744073709551615', '-1'],
    ['f64', 'NaN', 'NaN'],
    ['f32', '-Infinity', '-Infinity'],
    ['f64', '-0', '-0'],
  ] as const) {
    test(`${type} ${value} goes there and back`, async () => {
      const text = main(`(param ${type}) (result ${type}) local.get 0`)
      const ran = await runText(text, { arguments: [{ type, value }] })
      ends(ran, { status: 200, code: undefined, ended: 'returned', gas: 2n, results: [{ type, value: back }] })
    })
  }

  for (const [what, type, args] of [
    ['too few', 'i32', []],
    ['too many', 'i32', [{ value: 1 }, { value: 2 }]],
    ['i64 beyond its range', 'i64', [{ value: '18446744073709551616' }]],
    ['a fraction as i32', 'i32', [{ value: 1.5 }]],
    ['f64 for i32', 'i32', [{ value: 1, type: 'f64' }]],
  ] as const) {
    test(`arguments, ${what}: INVALID_ARGUMENTS`, async () => {
      refused(await runText(main(`(param ${type})`), { arguments: args }), 422, 'INVALID_ARGUMENTS')
    })
  }

  test('several results come back in order', async () => {
    const ran = await runText(main('(result i32 i64 f64) (i32.const 1) (i64.const 2) (f64.const 0.5)'))
    const results = [
      { type: 'i32', value: 1 },
      { type: 'i64', value: '2' },
      { type: 'f64', value: 0.5 },
    ]
    ends(ran, { status: 200, code: undefined, ended: 'returned', gas: 4n, results })
  })

  test('afterwards the service is as it was', async () => {
    const { body } = await stand.get('/health')
    assert.equal(body['status'], 'ok')
    assert.equal((body['capacity'] as Record<string, number>)['in_flight'], 0)
    assert.equal(stand.executors().length, 2)
  })
})

function withTypes(count: number): Buffer {
  const one = Buffer.from([0x60, 0, 0])
  const types = Buffer.concat([leb(count), Buffer.concat(Array.from({ length: count }, () => one))])
  return Buffer.concat([Buffer.from('0061736d01000000', 'hex'), section(1, types)])
}

function tinyFunctions(count: number): Buffer {
  return Buffer.concat([
    Buffer.from('0061736d01000000', 'hex'),
    section(1, vector([Buffer.from([0x60, 0, 0])])),
    section(3, Buffer.concat([leb(count), Buffer.alloc(count)])),
    section(10, Buffer.concat([leb(count), Buffer.concat(Array.from({ length: count }, () => Buffer.from([2, 0, 0x0b])))])),
  ])
}
