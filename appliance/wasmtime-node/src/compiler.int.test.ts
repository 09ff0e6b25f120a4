import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { ArtifactCache } from './artifact-cache.ts'
import { compileInChild } from './compiler.ts'
import { CompilerPool } from './compiler-pool.ts'
import { Engine } from './engine.ts'
import { moduleOfBody, nestedConditions } from './binary-module.ts'
import { fromText } from './wat.ts'

const engine = new Engine({ slots: 8, threads: 1 })

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'wasm-cache-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

suite('the compiler in a child', () => {
  test('kills what takes too long, and the next module compiles', async () => {
    // nested `if` costs quadratically: far under the limit of bytes, far over any patience
    const wasm = moduleOfBody(nestedConditions(30_000))
    const started = performance.now()
    await assert.rejects(compileInChild(wasm, { milliseconds: 700 }), { code: 'compilation-timeout' })
    assert.ok(performance.now() - started < 60_000)
    const artifact = await compileInChild(await fromText('(module (func (export "main") (result i32) i32.const 3))'))
    const outcome = await engine.load(artifact).run('main', [], { gasLimit: 100n, milliseconds: 1000 })
    assert.equal(outcome.results?.[0]?.value, 3)
  })

  test('its own start is not counted: a deadline shorter than that is enough for a small module', async () => {
    // one that takes longer to start than its module may, on any machine
    const launcher = ['sh', '-c', 'sleep 5; exec "$@"', 'launcher']
    const wasm = await fromText('(module (func (export "main")))')
    assert.ok((await compileInChild(wasm, { milliseconds: 4900, launcher })).length > 1000)
  })

  test('says that an invalid module is the module’s fault, in the engine’s words', async () => {
    const wasm = await fromText('(module (func (result i32) i64.const 1))', {}, false)
    await assert.rejects(compileInChild(wasm), (error: { code: string; message: string }) => {
      assert.equal(error.code, 'compilation-failed')
      assert.match(error.message, /type mismatch/)
      return true
    })
  })

  test('a limit of memory ends the child and not us', async () => {
    const wasm = await fromText('(module (func (export "main")))')
    await assert.rejects(compileInChild(wasm, { addressSpaceKiB: 300_000 }), { code: 'compilation-timeout' })
  })

  test('the child has no environment', async () => {
    const compiling = compileInChild(moduleOfBody(nestedConditions(30_000)), { milliseconds: 600 }).catch(() => {})
    // the newest: one that was killed may still be going
    const child = readFileSync('/proc/thread-self/children', 'utf8').trim().split(' ').at(-1)
    assert.match(child ?? '', /^\d+$/)
    const commandOf = () => readFileSync(`/proc/${child}/cmdline`, 'utf8')
    const limit = performance.now() + 5000
    // before it is the compiler it is prlimit, and before that a copy of this process
    while (!commandOf().includes('compile-child') || commandOf().startsWith('prlimit')) {
      assert.ok(performance.now() < limit)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(readFileSync(`/proc/${child}/environ`, 'utf8'), '')
    await compiling
  })
})

suite('compilers that stay warm', () => {
  const small = fromText('(module (func (export "main") (result i32) i32.const 3))')
  const children = () => readFileSync('/proc/thread-self/children', 'utf8').trim().split(' ').filter(Boolean)

  test('nobody waits behind a bomb, an invalid module costs no compiler, each is replaced in its time, none is left', async (t) => {
    const pool = new CompilerPool({ workers: 2, milliseconds: 60_000, modulesEach: 3 })
    t.after(() => pool.close())
    let over = false
    const bomb = pool.compile(moduleOfBody(nestedConditions(30_000))).finally(() => (over = true))
    const refused = assert.rejects(bomb, { code: 'compilation-timeout' })
    const wasm = await small
    for (let n = 0; n < 7; n += 1) assert.ok((await pool.compile(wasm)).length > 1000)
    await assert.rejects(pool.compile(await fromText('(module (func (result i32) i64.const 1))', {}, false)), {
      code: 'compilation-failed',
    })
    assert.ok(!over, 'the bomb is still at it')
    pool.close()
    await refused
    const limit = performance.now() + 20_000
    while (children().length > 0) {
      assert.ok(performance.now() < limit, 'a compiler is left')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })

  test('one that was killed is replaced', async (t) => {
    const pool = new CompilerPool({ workers: 1, milliseconds: 500 })
    t.after(() => pool.close())
    const late = assert.rejects(pool.compile(moduleOfBody(nestedConditions(30_000))), { code: 'compilation-timeout' })
    const next = pool.compile(await small)
    await late
    const outcome = await engine.load(await next).run('main', [], { gasLimit: 100n, milliseconds: 5000 })
    assert.equal(outcome.results?.[0]?.value, 3)
  })

  test('many at once, in few processes, each with its own artifact', async (t) => {
    const pool = new CompilerPool({ workers: 2 })
    t.after(() => pool.close())
    const programs = await Promise.all(
      Array.from({ length: 60 }, (_, n) => fromText(`(module (func (export "main") (result i32) i32.const ${n}))`)),
    )
    const artifacts = await Promise.all(programs.map((wasm) => pool.compile(wasm)))
    // beside those of other tests that were killed and are still going
    assert.ok(children().length <= 4, `${children().length} compilers`)
    for (const [n, artifact] of artifacts.entries()) {
      const outcome = await engine.load(artifact).run('main', [], { gasLimit: 100n, milliseconds: 1000 })
      assert.equal(outcome.results?.[0]?.value, n)
    }
  })
})

suite('the cache of artifacts', () => {
  const key = Buffer.alloc(32, 7)

  test('a file with any changed byte, a cut one, and one under another name or key are absent and removed', async (t) => {
    const folder = folderFor(t)
    const cache = new ArtifactCache({ folder, key, maxBytes: 2 ** 30 })
    const wasm = await fromText('(module (func (export "main") (result i32) i32.const 9))')
    const artifact = await compileInChild(wasm)
    const name = ArtifactCache.nameOf({ compatibility: engine.compatibility, tenant: 'a', wasm })
    for (const damage of [
      (bytes: Buffer) => bytes.fill((bytes[40] ?? 0) ^ 1, 40, 41),
      (bytes: Buffer) => bytes.fill((bytes[0] ?? 0) ^ 128, 0, 1),
      (bytes: Buffer) => bytes.subarray(0, bytes.length - 1),
      (bytes: Buffer) => bytes.subarray(0, 10),
      () => Buffer.alloc(0),
    ]) {
      assert.ok(await cache.put(name, artifact))
      assert.deepEqual(await cache.get(name), artifact)
      writeFileSync(join(folder, name), damage(readFileSync(join(folder, name))))
      assert.equal(await cache.get(name), undefined)
      assert.deepEqual(readdirSync(folder), [])
    }
    await cache.put(name, artifact)
    const other = ArtifactCache.nameOf({ compatibility: engine.compatibility, tenant: 'b', wasm })
    assert.notEqual(other, name, 'another tenant has an artifact of its own')
    writeFileSync(join(folder, other), readFileSync(join(folder, name)))
    assert.equal(await cache.get(other), undefined)
    assert.equal(await new ArtifactCache({ folder, key: Buffer.alloc(32, 8), maxBytes: 2 ** 30 }).get(name), undefined)
    assert.equal(cache.damaged, 6)
  })

  test('the oldest go beyond the size, and a name from outside never leaves the folder', async (t) => {
    const cache = new ArtifactCache({ folder: folderFor(t), key, maxBytes: 250 })
    const names = ['a', 'b', 'c'].map((tenant) => ArtifactCache.nameOf({ compatibility: 'x', tenant, wasm: Buffer.from(tenant) }))
    for (const name of names) await cache.put(name, Buffer.alloc(80))
    const kept = await Promise.all(names.map((name) => cache.get(name)))
    assert.equal(kept.filter((one) => one !== undefined).length, 2)
    assert.ok(kept[2] !== undefined)
    await assert.rejects(cache.get('../x'), { code: 'artifact-damaged' })
  })

  test('a folder that cannot be written costs nothing but time', async () => {
    const cache = new ArtifactCache({ folder: '/dev/null/none', key, maxBytes: 100 })
    assert.equal(await cache.put('0'.repeat(64), Buffer.alloc(1)), false)
    assert.equal(await cache.get('0'.repeat(64)), undefined)
  })
})
