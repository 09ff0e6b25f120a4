import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { suite, test } from 'node:test'
import { Engine, type CallOptions, type Outcome } from './engine.ts'
import { checkModule } from './limits.ts'
import { fromText } from './wat.ts'
import { i32, moduleOfBody, nestedBlocks, wideTable } from './binary-module.ts'
import type { LooseValue } from './value.ts'

const engine = new Engine({ slots: 128, threads: 2 })
const compiler = new Engine({ slots: 0, threads: 0 })
const page = 65_536

async function run(text: string, values: LooseValue[] = [], options: Partial<CallOptions> = {}, name = 'main'): Promise<Outcome> {
  const module = engine.load(compiler.compile(await fromText(text)))
  return await module.run(name, values, { gasLimit: 100_000_000n, milliseconds: 10_000, ...options })
}

const spin = '(module (func (export "main") (loop br 0)))'
/** Turns a loop `n` times and then does what `end` says: fuel before a trap must not be lost. */
const loopThen = (end: string) => `(module (memory 1) (func (export "main") (param i32) (result i32) (local i32)
  (loop (local.set 1 (i32.add (local.get 1) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 1) (local.get 0)))) ${end}))`

suite('hostile guests', () => {
  test('an endless loop ends at its deadline, with gas', async () => {
    const started = performance.now()
    const outcome = await run(spin, [], { milliseconds: 100, gasLimit: 10n ** 18n })
    assert.equal(outcome.status, 'deadline')
    assert.ok(outcome.gasUsed > 0n && outcome.gasExact)
    assert.equal(outcome.gasUsed % 100_000n, 0n, 'it ends between slices')
    assert.ok(performance.now() - started < 60_000)
  })

  test('an endless loop ends when its gas is gone, to the unit', async () => {
    const outcome = await run(spin, [], { gasLimit: 1_234_567n })
    assert.deepEqual([outcome.status, outcome.gasUsed, outcome.gasExact], ['out-of-gas', 1_234_567n, true])
  })

  test('a loop in `start` is under the same gas and deadline', async () => {
    const text = '(module (func $s (loop br 0)) (start $s) (func (export "main")))'
    assert.equal((await run(text, [], { gasLimit: 50_000n })).status, 'out-of-gas')
    assert.equal((await run(text, [], { gasLimit: 10n ** 18n, milliseconds: 50 })).status, 'deadline')
  })

  test('endless recursion traps, and the next call runs', async () => {
    const outcome = await run('(module (func $f (export "main") (call $f)))')
    assert.equal(outcome.status, 'trapped')
    assert.match(outcome.detail ?? '', /stack/)
    assert.equal((await run('(module (func (export "main") (result i32) i32.const 7))')).results?.[0]?.value, 7)
  })

  test('memory.grow in a loop is refused with -1 at the cap and never above it', async () => {
    const text = `(module (memory 1) (func (export "main") (result i32) (local i32)
      (loop (local.set 0 (memory.grow (i32.const 16))) (br_if 0 (i32.ne (local.get 0) (i32.const -1)))) memory.size))`
    const outcome = await run(text, [], { maxMemoryBytes: 40 * page })
    assert.equal(outcome.status, 'returned')
    assert.ok(Number(outcome.results?.[0]?.value) <= 40)
    assert.deepEqual([outcome.growRefused, outcome.memoryBytes <= 40 * page], [true, true])
  })

  test('a trap after a refused grow is memory-exceeded; so is a memory that begins too large', async () => {
    const grows = '(module (memory 1) (func (export "main") (drop (memory.grow (i32.const 60000))) unreachable))'
    assert.equal((await run(grows)).status, 'memory-exceeded')
    const large = await run('(module (memory 100) (func (export "main")))', [], { maxMemoryBytes: 10 * page })
    assert.equal(large.status, 'memory-exceeded')
  })

  for (const [what, end, exact] of [
    ['division by zero', '(i32.div_u (i32.const 1) (i32.const 0))', false],
    ['an access out of bounds', '(i32.load (i32.const -4))', false],
    ['unreachable', 'unreachable', true],
  ] as const) {
    test(`gas before ${what} is not lost: a slice at most is missing, and it is said`, async () => {
      const outcome = await run(loopThen(end), [{ value: 1_000_000 }])
      const returned = await run(loopThen('(i32.const 0)'), [{ value: 1_000_000 }])
      assert.equal(outcome.status, 'trapped')
      assert.equal(outcome.gasExact, exact)
      const missing = returned.gasUsed - outcome.gasUsed
      // a slice ends at the next block: a few units more than a slice may be missing
      assert.ok(missing < 100_020n && missing > -20n, `missing ${missing}`)
    })
  }

  test('the same call costs the same gas 1,000 times, alone and among others', async () => {
    const module = engine.load(compiler.compile(await fromText(loopThen('(i32.const 0)'))))
    const gas = new Set<bigint>()
    for (let batch = 0; batch < 10; batch += 1) {
      const all = Array.from({ length: 100 }, () =>
        module.run('main', [{ value: 777 }], { gasLimit: 10n ** 9n, milliseconds: 10_000 }),
      )
      for (const outcome of await Promise.all(all)) gas.add(outcome.gasUsed)
    }
    assert.equal(gas.size, 1)
  })

  test('100 spinners end at their deadline while a short call goes through', async () => {
    const module = engine.load(compiler.compile(await fromText(spin)))
    const short = engine.load(compiler.compile(await fromText('(module (func (export "main") (result i32) i32.const 1))')))
    const spinners = Array.from({ length: 100 }, () => module.run('main', [], { gasLimit: 10n ** 18n, milliseconds: 1000 }))
    const outcome = await short.run('main', [], { gasLimit: 1000n, milliseconds: 60_000 })
    assert.equal(outcome.status, 'returned')
    const ended = await Promise.all(spinners)
    assert.deepEqual([...new Set(ended.map((one) => one.status))], ['deadline'])
  })

  test('more at once than slots are told so, and slots come back', async () => {
    const small = new Engine({ slots: 4, threads: 1 })
    const module = small.load(compiler.compile(await fromText(spin)))
    const all = Array.from({ length: 8 }, () => module.run('main', [], { gasLimit: 10n ** 18n, milliseconds: 200 }))
    const statuses = (await Promise.all(all)).map((one) => one.status).toSorted()
    assert.deepEqual(statuses, [...Array(4).fill('deadline'), ...Array(4).fill('no-slot')])
    assert.equal((await module.run('main', [], { gasLimit: 1000n, milliseconds: 200 })).status, 'out-of-gas')
  })

  test('an aborted call ends at its next slice; one aborted before never begins', async () => {
    const module = engine.load(compiler.compile(await fromText(spin)))
    const abort = new AbortController()
    const running = module.run('main', [], { gasLimit: 10n ** 18n, milliseconds: 60_000, signal: abort.signal })
    abort.abort()
    assert.equal((await running).status, 'cancelled')
    const never = await module.run('main', [], { gasLimit: 10n ** 18n, milliseconds: 60_000, signal: AbortSignal.abort() })
    assert.deepEqual([never.status, never.gasUsed], ['cancelled', 0n])
  })

  test('all memories together never pass the budget; what is refused is said, and everything comes back', async () => {
    const small = new Engine({ slots: 16, threads: 1, memoryBudgetBytes: 64 * page })
    const text = `(module (memory 4) (func (export "main") (param i32) (result i32) (local i32)
      (local.set 1 (memory.grow (local.get 0))) (if (i32.eq (local.get 1) (i32.const -1)) (then unreachable))
      (loop (br_if 0 (i32.gt_u (local.tee 0 (i32.sub (local.get 0) (i32.const 0))) (i32.const 0)))) (local.get 1)))`
    const module = small.load(compiler.compile(await fromText(text)))
    const call = () => module.run('main', [{ value: 16 }], { gasLimit: 10n ** 12n, milliseconds: 300 })
    const ended = await Promise.all(Array.from({ length: 16 }, call))
    assert.equal(ended.filter((one) => one.status === 'deadline').length, 3, 'three times 20 pages fit into 64')
    assert.ok(ended.every((one) => one.status === 'deadline' || (one.status === 'no-memory' && one.budgetRefused)))
    assert.equal(small.memoryHeld, 0)
    const large = small.load(compiler.compile(await fromText('(module (memory 65) (func (export "main")))')))
    assert.equal((await large.run('main', [], { gasLimit: 1000n, milliseconds: 100 })).status, 'no-memory')
    assert.equal(small.memoryHeld, 0)
  })

  test('memory of one run is never seen by the next', async () => {
    const text = `(module (memory 4) (func (export "main") (param i32) (result i32) (local i32)
      (local.set 1 (i32.load (i32.const 70000))) (i32.store (i32.const 70000) (local.get 0)) (local.get 1)))`
    const module = engine.load(compiler.compile(await fromText(text)))
    for (let n = 0; n < 300; n += 1) {
      const outcome = await module.run('main', [{ value: 99 }], { gasLimit: 10_000n, milliseconds: 1000 })
      assert.equal(outcome.results?.[0]?.value, 0)
    }
  })
})

suite('modules', () => {
  test('a closed one holds no file; runs under way end well, later ones are refused', async () => {
    const open = (): number => readdirSync('/proc/self/fd').length
    const artifact = compiler.compile(await fromText(spin))
    const before = open()
    const modules = Array.from({ length: 50 }, () => engine.load(artifact))
    const call = { gasLimit: 10n ** 18n, milliseconds: 100 }
    const running = modules.map((module) => module.run('main', [], call))
    for (const module of modules) module.close()
    assert.ok((await Promise.all(running)).every(({ status }) => status === 'deadline'))
    await assert.rejects(async () => await modules[0]?.run('main', [], call), /closed/)
    assert.ok(open() <= before, `${open() - before} files more`)
  })
  test('calls that come first are made in the same instance and under the same gas; a trap in one is that of the run', async () => {
    const text = `(module (global (mut i32) (i32.const 0)) (func (export "add") (param i32)
      (global.set 0 (i32.add (global.get 0) (local.get 0)))) (func (export "main") (result i32) global.get 0)
      (func (export "stop") unreachable))`
    const add = (value: number) => ({ name: 'add', values: [{ value }] })
    const two = await run(text, [], { before: [add(40), add(2)] })
    assert.deepEqual([two.results?.[0]?.value, two.gasUsed], [42, 12n])
    assert.equal((await run(text, [], { before: [add(1)], gasLimit: 5n })).status, 'out-of-gas')
    assert.equal((await run(text, [], { before: [{ name: 'stop', values: [] }] })).status, 'trapped')
    await assert.rejects(run(text, [], { before: [{ name: 'none', values: [] }] }), { code: 'function-not-found' })
    assert.equal((await run(text)).results?.[0]?.value, 0, 'the next instance is a fresh one')
  })
})

suite('values', () => {
  const echo = (type: string) => `(module (func (export "main") (param ${type}) (result ${type}) local.get 0))`
  for (const [type, value, back] of [
    ['i32', -1, -1],
    ['i32', 4_294_967_295, -1],
    ['i64', '-9223372036854775808', '-9223372036854775808'],
    ['i64', '18446744073709551615', '-1'],
    ['f32', 'NaN', 'NaN'],
    ['f64', '-Infinity', '-Infinity'],
    ['f64', '-0', '-0'],
    ['f64', 1e308, 1e308],
  ] as const) {
    test(`${type} ${value} goes through`, async () => {
      assert.deepEqual((await run(echo(type), [{ value }])).results, [{ type, value: back }])
    })
  }
  for (const [what, type, values] of [
    ['too few', 'i32', []],
    ['too many', 'i32', [{ value: 1 }, { value: 2 }]],
    ['another type', 'i32', [{ type: 'i64', value: 1 }]],
    ['i32 beyond its range', 'i32', [{ value: 2 ** 32 }]],
    ['i64 beyond its range', 'i64', [{ value: '18446744073709551616' }]],
    ['a fraction as integer', 'i32', [{ value: 1.5 }]],
    ['a word as float', 'f64', [{ value: 'many' }]],
    ['an unsafe number as i64', 'i64', [{ value: 2 ** 60 }]],
  ] as const) {
    test(`refuses ${what} before anything runs`, async () => {
      await assert.rejects(run(echo(type), values as unknown as LooseValue[]), { code: 'invalid-arguments' })
    })
  }
  test('several results, and a region of memory', async () => {
    const two = await run('(module (func (export "main") (result i32 i64) i32.const 1 i64.const 2))')
    assert.deepEqual(two.results, [
      { type: 'i32', value: 1 },
      { type: 'i64', value: '2' },
    ])
    const text =
      '(module (memory (export "memory") 1) (data (i32.const 8) "hello") (func (export "main") (result i32 i32) i32.const 8 i32.const 5))'
    assert.equal(String((await run(text, [], { region: true })).region), 'hello')
    const outside = text.replace('i32.const 5))', 'i32.const -1))')
    assert.equal((await run(outside, [], { region: true })).status, 'refused')
  })
  test('a vector or a reference as result is refused before anything runs', async () => {
    for (const [type, made] of [
      ['v128', 'v128.const i64x2 1 2'],
      ['funcref', 'ref.null func'],
    ]) {
      const text = `(module (func (export "main") (result ${type}) ${made}))`
      await assert.rejects(run(text), { code: 'invalid-arguments' })
    }
  })
  test('an export that is no function is not called', async () => {
    await assert.rejects(run('(module (memory (export "memory") 1))', [], {}, 'memory'), { code: 'function-not-found' })
  })
})

suite('what never reaches the compiler', () => {
  for (const [what, text] of [
    ['a function', '(module (import "env" "f" (func)))'],
    ['a memory', '(module (import "env" "m" (memory 1)))'],
  ] as const) {
    test(`refuses an import of ${what}`, async () => {
      const wasm = await fromText(text)
      assert.throws(() => checkModule(wasm), { code: 'imports-not-allowed' })
    })
  }
  for (const [what, wasm] of [
    ['1,500 nested blocks', moduleOfBody(nestedBlocks(1500))],
    ['50,000 locals', moduleOfBody(Buffer.alloc(0), [[50_000, i32]])],
    ['a br_table of 60,000 targets', moduleOfBody(wideTable(60_000))],
  ] as const) {
    test(`refuses ${what}`, () => assert.throws(() => checkModule(wasm), { code: 'too-complex' }))
  }
  for (const [what, text, code] of [
    ['a memory that begins with 65 MiB', '(module (memory 1040))', 'memory-too-large'],
    ['a table that begins with 10,001 elements', '(module (table 10001 funcref))', 'too-complex'],
    ['five tables', `(module ${'(table 1 funcref) '.repeat(5)})`, 'too-complex'],
  ] as const) {
    test(`refuses ${what}, which would compile and not load`, async () => {
      const wasm = await fromText(text)
      assert.throws(() => engine.load(compiler.compile(wasm)), { code: 'artifact-damaged' })
      assert.throws(() => checkModule(wasm), { code })
    })
  }
  test('a memory and tables just inside the limits load', async () => {
    const wasm = await fromText('(module (memory 1024) (table 10000 funcref) (func (export "main") (result i32) memory.size))')
    checkModule(wasm)
    const outcome = await engine.load(compiler.compile(wasm)).run('main', [], { gasLimit: 100n, milliseconds: 1000 })
    assert.equal(outcome.results?.[0]?.value, 1024)
  })
  test('takes what stays inside the limits', async () => {
    const wasm = moduleOfBody(nestedBlocks(900), [[1000, i32]])
    checkModule(wasm)
    const outcome = await engine.load(compiler.compile(wasm)).run('main', [], { gasLimit: 100_000n, milliseconds: 1000 })
    assert.equal(outcome.status, 'returned')
  })
  test('refuses several memories and a 64-bit one', async () => {
    for (const [text, feature] of [
      ['(module (memory 1) (memory 1))', { multi_memory: true }],
      ['(module (memory i64 1))', { memory64: true }],
    ] as const) {
      const wasm = await fromText(text, feature, false)
      assert.throws(() => checkModule(wasm), { code: 'invalid-wasm' })
      assert.throws(() => compiler.compile(wasm), { code: 'compilation-failed' })
    }
  })
  for (const [what, bytes] of [
    ['no bytes', Buffer.alloc(0)],
    ['text', Buffer.from('(module)')],
    ['a cut module', Buffer.from('0061736d01000000010a0260', 'hex')],
    ['trailing garbage', Buffer.concat([Buffer.from('0061736d01000000', 'hex'), Buffer.from('garbage')])],
    ['a component', Buffer.from('0061736d0d000100', 'hex')],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => {
          checkModule(bytes)
          compiler.compile(bytes)
        },
        (error: { code: string }) => ['invalid-wasm', 'compilation-failed'].includes(error.code),
      )
    })
  }
  test('a megabyte of custom section is no fault', async () => {
    const wasm = await fromText('(module (func (export "main") (result i32) i32.const 5))')
    const size = 2 ** 20
    const leb = Buffer.from([0x80 | (size & 127), 0x80 | ((size >> 7) & 127), (size >> 14) & 127])
    const custom = Buffer.concat([Buffer.from([0]), leb, Buffer.from([1, 0x78]), Buffer.alloc(size - 2)])
    const whole = Buffer.concat([wasm, custom])
    assert.equal(checkModule(whole).customBytes, size - 2)
    const outcome = await engine.load(compiler.compile(whole)).run('main', [], { gasLimit: 100n, milliseconds: 1000 })
    assert.equal(outcome.results?.[0]?.value, 5)
  })
})
