import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { Engine } from 'wasmtime-node/engine'
import { readScripts, type SpecScript } from './script.ts'
import { newTally, runScript, type Tally } from './run-script.ts'

const root = join(import.meta.dirname, '../../..')
const folder = execFileSync(join(root, 'scripts/build-wasm-material.sh'), { encoding: 'utf8', timeout: 600_000 }).trim()
const scripts = readScripts(join(folder, 'spec'))
// the sizes that the service gives its executors, but for the table: a few tests have large ones
const engine = new Engine({ slots: 54, threads: 1 })
const compiler = new Engine({ slots: 0, threads: 0 })

async function run(t: TestContext, chosen: (script: SpecScript) => boolean): Promise<Tally> {
  const tally = newTally()
  for (const script of scripts.filter(chosen)) await runScript(script, engine, compiler, tally)
  const left = [...tally.left].toSorted(([, a], [, b]) => b - a)
  t.diagnostic(`${tally.passed} checks held, ${sumOf(tally)} left out`)
  for (const [why, count] of left) t.diagnostic(`  ${count} left out: ${why}`)
  return tally
}

/** Why a check may be left out; everything else is a failure. */
const reasons = {
  imports: /^imports/,
  // malformed text: nothing here reads text
  text: /^text that has no binary form$/,
  // without a collector the engine has no references to things of the host
  externref: /gc types are disallowed/,
  memories: /^refused: the module uses several memories or a N-bit one$/,
  relaxed: /relaxed SIMD support is not enabled/,
} as const

suite('the official WebAssembly tests', () => {
  // the number of checks is fixed by versions: fewer would be tests that fell silent
  for (const [what, family, checks, allowed] of [
    ['WebAssembly 2.0', 'wasm-v2', 25_335, ['imports', 'text', 'externref']],
    // as many checks again as all others, of one part of the engine: with FREEHOLD_ALL=1
    ...(process.env['FREEHOLD_ALL'] === '1' ? ([['vectors', 'simd', 25_478, ['imports', 'text', 'memories']]] as const) : []),
    ['tail calls', 'tail-call', 108, ['text']],
    ['extended constants', 'extended-const', 152, ['imports', 'text', 'externref']],
    ['64-bit memories are refused, the rest holds', 'memory64', 744, ['imports', 'text', 'memories']],
    ['several memories are refused, the rest holds', 'multi-memory', 37, ['imports', 'memories']],
    ['relaxed vectors are refused', 'relaxed-simd', 0, ['relaxed']],
  ] as const) {
    test(what, async (t) => {
      const tally = await run(t, (script) => script.name.startsWith(`${family}.`))
      assert.deepEqual(tally.failed, [])
      assert.equal(tally.passed, checks)
      const unknown = [...tally.left.keys()].filter((why) => !allowed.some((reason) => reasons[reason].test(why)))
      assert.deepEqual(unknown, [])
      if (family === 'relaxed-simd') assert.equal(sumOf(tally), 77)
    })
  }
})

function sumOf(tally: Tally): number {
  return [...tally.left.values()].reduce((sum, count) => sum + count, 0)
}
