import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { ArtifactCache } from 'wasmtime-node/artifact-cache'
import { moduleOfBody, nestedConditions } from 'wasmtime-node/binary-module'
import { Engine } from 'wasmtime-node/engine'
import { fromText } from 'wasmtime-node/wat'
import { systemClock } from '../clock/clock.ts'
import { Programs } from './programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'freehold-wasm-programs-'))
const engine = { slots: 0, threads: 0 }
const compileMs = 500
let programs: Programs
before(() => {
  programs = new Programs({
    cache: new ArtifactCache({ folder, key: Buffer.alloc(32), maxBytes: 2 ** 24 }),
    engine,
    compatibility: new Engine(engine).compatibility,
    maxModuleBytes: 2 ** 20,
    compileMs,
    compilers: 2,
    clock: systemClock,
  })
})
after(async () => {
  await programs.close()
  rmSync(folder, { recursive: true })
})

/** Takes a compiler until it is killed; each is another module. */
const bomb = (n: number) => moduleOfBody(Buffer.concat(Array.from({ length: 180 + n }, () => nestedConditions(990))))
const endOf = (got: Promise<unknown>) =>
  got.then(
    () => 'compiled',
    (error: unknown) => (error as { code: string }).code,
  )

suite('compilers are shared out', () => {
  test('the same module at once is compiled once and counted once', async () => {
    const wasm = await fromText('(module (func (export "main") (nop)))')
    const spent: number[] = []
    const all = await Promise.all([1, 2, 3].map(() => programs.get(wasm, 'modest', (milliseconds) => spent.push(milliseconds))))
    assert.deepEqual([new Set(all.map(({ name }) => name)).size, spent.length], [1, 1])
  })

  test('one tenant sends bombs: the next of another is compiled after one of them, what is too much is refused at once', async () => {
    const ended: string[] = []
    const costs: number[] = []
    const bombs = Array.from({ length: 20 }, (_, n) =>
      endOf(programs.get(bomb(n), 'bomber', (milliseconds) => costs.push(milliseconds))).then((end) => (ended.push(end), end)),
    )
    const refused = await Promise.all(bombs.slice(18))
    assert.deepEqual(refused, ['RATE_LIMITED', 'RATE_LIMITED'], 'two are compiled and sixteen wait')
    const already = ended.length
    const spent: number[] = []
    const small = await programs.get(await fromText('(module (func (export "main")))'), 'modest', (ms) => spent.push(ms))
    assert.ok(small.artifact.length > 0)
    assert.ok(ended.length - already <= 4, `${ended.length - already} bombs came before it`)
    assert.ok(
      spent.length === 1 && (spent[0] ?? Infinity) <= compileMs,
      'neither its waiting nor a start of a compiler is counted',
    )
    const counted = costs.length
    assert.ok(counted >= ended.filter((end) => end === 'COMPILATION_TIMEOUT').length && counted > 0, 'bombs are counted')
    assert.ok(costs.every((cost) => cost >= compileMs * 0.9 && cost <= compileMs))
    const closing = programs.close()
    const late = (await Promise.all(bombs)).filter((end) => end === 'CAPACITY_EXCEEDED')
    assert.ok(late.length >= 10, 'what waits when the service ends is refused')
    await closing
  })
})
