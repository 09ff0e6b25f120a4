import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'

const folder = mkdtempSync(join(tmpdir(), 'wasmtime-node-package-'))
after(() => rmSync(folder, { recursive: true }))
const project = join(folder, 'project')
const installed = join(project, 'node_modules/wasmtime-node')
const said = (command: string, args: readonly string[], cwd = project): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', timeout: 600_000, stdio: ['ignore', 'pipe', 'pipe'] })

/** The module `(func (export "main") (param i32) (result i32) local.get 0 i32.const 2 i32.mul)`, by hand. */
const program = `Uint8Array.from([0,97,115,109,1,0,0,0,1,6,1,96,1,127,1,127,3,2,1,0,7,8,1,4,109,97,105,110,0,0,10,9,1,7,0,32,0,65,2,108,11])`

suite('the package that would be published', () => {
  test('npm installs it in an empty folder; it runs, compiles in a child, is typed, and holds no test', () => {
    const out = join(folder, 'out')
    mkdirSync(out)
    mkdirSync(project)
    const file = said(process.execPath, [join(import.meta.dirname, '../package.ts'), out], import.meta.dirname).trim()
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }))
    said('npm', ['install', '--offline', '--no-audit', '--no-fund', file])
    const names = readdirSync(installed, { recursive: true }).map(String)
    assert.deepEqual(
      names.filter((name) => /test|wabt|target/.test(name)),
      [],
    )
    for (const name of ['LICENSE', 'README.md', 'THIRD-PARTY.md', 'native/Cargo.lock', 'dist/engine.d.ts']) {
      assert.ok(names.includes(name), name)
    }
    assert.match(
      readFileSync(join(installed, 'THIRD-PARTY.md'), 'utf8'),
      /\| wasmtime \| 48\.\d+\.\d+ \| Apache-2\.0 WITH LLVM-exception/,
    )
    // nothing is linked in that asks for more than to be named
    const free =
      /^(?:\(?(?:MIT|Apache-2\.0|Apache-2\.0 WITH LLVM-exception|BSD-2-Clause|BSD-3-Clause|ISC|Zlib|Unicode-3\.0|Unlicense|0BSD)\)?(?: OR | AND |\/| \/ |$))+$/
    const licences = readFileSync(join(installed, 'THIRD-PARTY.md'), 'utf8')
      .split('\n')
      .flatMap((line) => /^\| [\w-]+ \| \d[^|]* \| ([^|]+) \|/.exec(line)?.[1] ?? [])
    assert.ok(licences.length > 50)
    assert.deepEqual(
      licences.filter((licence) => !free.test(licence)),
      [],
    )
    const main = `import { compileInChild } from 'wasmtime-node/compiler'
import { Engine, type Outcome } from 'wasmtime-node/engine'
const engine = new Engine({ slots: 2, threads: 1 })
const module = engine.load(await compileInChild(${program}))
const outcome: Outcome = await module.run('main', [{ value: 21 }], { gasLimit: 1000n, milliseconds: 1000 })
console.log(outcome.status, outcome.results?.[0]?.value, outcome.gasUsed > 0n)
process.exit(0)
`
    writeFileSync(join(project, 'main.ts'), main)
    assert.equal(said(process.execPath, ['main.ts']).trim(), 'returned 42 true')
    const checkout = join(import.meta.dirname, '../../..')
    const options = { strict: true, noEmit: true, module: 'nodenext', target: 'es2023', types: ['node'] }
    const typeRoots = [join(checkout, 'node_modules/@types')]
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...options, typeRoots }, include: ['main.ts'] }),
    )
    said(join(checkout, 'node_modules/.bin/tsc'), ['-p', project])
    writeFileSync(join(project, 'main.ts'), main.replace("'main', [{ value: 21 }]", "'main', [{ worth: 21 }]"))
    assert.throws(() => said(join(checkout, 'node_modules/.bin/tsc'), ['-p', project]), /Command failed/)
  })

  // the engine once more from nothing: minutes, and the default run has built it already
  if (process.env['FREEHOLD_ALL'] === '1') {
    test('where no prebuilt addon fits it says what to do, and that builds it from the sources in the package', () => {
      rmSync(join(installed, 'build'), { recursive: true })
      writeFileSync(join(project, 'bare.mjs'), `import { Engine } from 'wasmtime-node/engine'\nnew Engine()\n`)
      assert.throws(() => said(process.execPath, ['bare.mjs']), /npx wasmtime-node-build/)
      said(join(project, 'node_modules/.bin/wasmtime-node-build'), [])
      assert.ok(existsSync(join(installed, 'build')))
      said(process.execPath, ['bare.mjs'])
    })
  }
})
