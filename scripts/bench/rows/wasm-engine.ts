import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '@freehold/appliance/errors/app-error'
import { compileInChild } from 'wasmtime-node/compiler'
import { Engine } from 'wasmtime-node/engine'
import { row, type Bench } from '../row.ts'
import { adding } from '../wasm/programs.ts'
import { quantile } from '../wasm/raw-http.ts'
import { runJson } from '../wasm/run-json.ts'

const iterations = 20_000
const calls = 20_000
const here = join(import.meta.dirname, '../wasm')
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'freehold')

export const wasmEngine: Bench = {
  id: 'wasm-engine',
  about:
    'time of a fresh instance and its call, CoreMark with gas against the same engine without (Python package), V8 and Python beside',
  slow: false,
  async run(report) {
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    try {
      const coremark = await coremarkGuest()
      const tiny = join(folder, 'tiny.wasm')
      await writeFile(tiny, adding)
      const engine = new Engine({ slots: 128, threads: 1 })
      const mark = engine.load(await compileInChild(await readFile(coremark)))
      const metered: number[] = []
      for (let n = 0; n < 3; n += 1) {
        const before = process.cpuUsage()
        const limits = { gasLimit: 10n ** 18n, milliseconds: 120_000 }
        const { status, results } = await mark.run('main', [{ value: iterations }], limits)
        const { user, system } = process.cpuUsage(before)
        if (status !== 'returned' || results?.[0]?.value !== 1)
          throw new AppError({ code: 'internal', detail: `CoreMark ${status}` })
        metered.push(iterations / ((user + system) / 1e6))
      }
      const python = await pythonPeer(coremark, tiny)
      const ours = Math.max(...metered)
      report(`CoreMark, iterations a second of processor: ${ours.toFixed(0)} with gas, ${python.unmetered.toFixed(0)} without`)
      report(
        `the Python package: ${python.fuel.toFixed(0)} with its fuel; ${python.tinyPerSecond.toFixed(0)} tiny calls/s on one thread`,
      )
      const v8 = await runJson<{ freshPerSecond: number; warmPerSecond: number }>(process.execPath, [
        join(here, 'v8-peer.ts'),
        tiny,
      ])
      report(`V8: ${v8.freshPerSecond.toFixed(0)} tiny calls/s in a worker each, ${v8.warmPerSecond.toFixed(0)} in two warm ones`)

      const module = engine.load(await compileInChild(adding))
      const took: number[] = []
      const began = performance.now()
      for (let n = 0; n < calls; n += 1) {
        const outcome = await module.run('main', [{ value: n }, { value: 2 }], { gasLimit: 1000n, milliseconds: 1000 })
        if (outcome.results?.[0]?.value !== n + 2) throw new AppError({ code: 'internal', detail: 'A wrong answer.' })
        took.push(outcome.runMilliseconds * 1000)
      }
      const perSecond = calls / ((performance.now() - began) / 1000)
      report(`instance and call: median ${quantile(took, 0.5).toFixed(1)} µs; ${perSecond.toFixed(0)}/s one after the other`)
      return [
        row('WASM, fresh instance and tiny call, p99', quantile(took, 0.99), 'µs', 50, 1),
        row('WASM, what gas costs CoreMark', (1 - ours / python.unmetered) * 100, '%', 25, 1),
        row('WASM, a tiny call in process / by the Python package', python.tinyPerSecond / perSecond, '×', 1),
      ]
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** CoreMark of the crate `coremark`, built for a host without imports. Throws `process-failed` where there is no such target. */
async function coremarkGuest(): Promise<string> {
  const target = join(cache, 'coremark/target')
  const args = ['build', '--release', '--locked', '--quiet', '--target', 'wasm32-unknown-unknown']
  try {
    await promisify(execFile)('cargo', [...args, '--manifest-path', join(here, 'coremark/Cargo.toml')], {
      timeout: 180_000,
      env: { ...process.env, CARGO_TARGET_DIR: target },
    })
  } catch (cause) {
    throw new AppError({
      code: 'process-failed',
      detail: 'CoreMark does not build.',
      hint: 'rustup target add wasm32-unknown-unknown',
      cause,
    })
  }
  return join(target, 'wasm32-unknown-unknown/release/coremark_guest.wasm')
}

/** The Python package of the same engine version, from PyPI into a folder of its own. */
async function pythonPeer(coremark: string, tiny: string): Promise<{ unmetered: number; fuel: number; tinyPerSecond: number }> {
  const packages = join(cache, 'bench-python')
  await mkdir(packages, { recursive: true })
  const present = await readFile(join(packages, 'wasmtime/__init__.py')).catch(() => undefined)
  if (present === undefined) {
    try {
      await promisify(execFile)('python3', ['-m', 'pip', 'install', '-q', '--target', packages, 'wasmtime==48.0.0'], {
        timeout: 120_000,
      })
    } catch (cause) {
      throw new AppError({
        code: 'process-failed',
        detail: 'wasmtime for Python does not install.',
        hint: 'It needs python3 with pip.',
        cause,
      })
    }
  }
  const args = [join(here, 'python-peer.py'), coremark, String(iterations), tiny, '20000']
  return await runJson('python3', args, { PYTHONPATH: packages })
}
