import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openStand, type WasmStand } from '../stand/stand.ts'
import { driverName, driverOf, NoDriver, withDrivers } from './drivers.ts'
import { matches } from './expected.ts'
import { actionsOn } from './run-script.ts'
import { readScripts } from './script.ts'
import { readSections } from './sections.ts'

const root = join(import.meta.dirname, '../../..')
const folder = execFileSync(join(root, 'scripts/build-wasm-material.sh'), { encoding: 'utf8', timeout: 600_000 }).trim()
// numbers of each kind, control, and vectors: what has no state, so that a fresh instance for each call is what the test means
const files = ['i32', 'i64', 'f32', 'f64', 'conversions', 'br', 'labels', 'fac'].map((name) => `wasm-v2.${name}`)
files.push('simd.simd_i32x4_arith', 'simd.simd_f64x2_arith', 'tail-call.return_call')
const each = 30

suite('official tests through the service, sealed both ways', () => {
  let stand: WasmStand
  before(async () => {
    stand = await openStand({ server: { workers: 1 } })
  })
  after(() => stand.close())

  for (const script of readScripts(join(folder, 'spec')).filter(({ name }) => files.includes(name))) {
    test(script.name, async () => {
      const [first] = script.commands
      assert.ok(first?.type === 'module')
      const sections = readSections(script.bytes(first.filename))
      const actions = actionsOn(script.commands, 0).filter(({ type }) => type === 'assert_return' || type === 'assert_trap')
      // spread over the whole file
      const step = Math.max(1, Math.floor(actions.length / each))
      const chosen = actions.filter((_, n) => n % step === 0)
      const drivers = chosen.map((one) => {
        try {
          return driverOf(sections, one.action)
        } catch (error) {
          if (error instanceof NoDriver) return undefined
          throw error
        }
      })
      const wasm = withDrivers(sections, drivers)
      const wrong: string[] = []
      let held = 0
      for (const [n, command] of chosen.entries()) {
        if (drivers[n] === undefined) continue
        const ran = await stand.run(wasm, { function_name: driverName(n) })
        const ok =
          command.type === 'assert_return'
            ? ran.status === 200 && matches(command.expected, (ran.opened?.results ?? []) as Parameters<typeof matches>[1])
            : ran.code === 'WASM_TRAP'
        if (ok) held += 1
        else wrong.push(`${command.line}: ${ran.code ?? JSON.stringify(ran.opened?.results)}`)
      }
      assert.deepEqual(wrong, [])
      assert.ok(held > 5, `${held} held`)
    })
  }
})
