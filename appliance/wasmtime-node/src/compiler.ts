import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { EngineOptions } from './engine.ts'
import { WasmError } from './errors.ts'

export interface CompileOptions {
  /** Those of the engine that will load the artifact. */
  engine?: EngineOptions
  /** Wall time after which the compiler is killed. Default 10 000. */
  milliseconds?: number
  /** Address space of the compiler in KiB, by `prlimit`. Default 4 000 000; Node alone reserves some two million. */
  addressSpaceKiB?: number
  /** Largest artifact in bytes. Default 128 MiB. */
  artifactBytes?: number
}

/**
 * Compiles in a process of its own: with a deadline, a limit of memory and of processor time, without environment. Throws
 * `compilation-failed` (the module is to blame), `compilation-timeout` (also when it outgrew its memory: neither is a fault of
 * the machine), `too-large`.
 */
export async function compileInChild(wasm: Uint8Array, options: CompileOptions = {}): Promise<Buffer> {
  const milliseconds = options.milliseconds ?? 10_000
  const limits = [
    `--as=${(options.addressSpaceKiB ?? 4_000_000) * 1024}`,
    `--cpu=${Math.ceil(milliseconds / 1000) * 2 + 1}`,
    '--core=0',
  ]
  const script = join(import.meta.dirname, `compile-child${import.meta.filename.endsWith('.ts') ? '.ts' : '.js'}`)
  const child = spawn(
    'prlimit',
    [...limits, process.execPath, '--max-old-space-size=256', script, JSON.stringify(options.engine ?? {})],
    {
      env: {},
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  const [out, words]: [Buffer[], Buffer[]] = [[], []]
  let size = 0
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, milliseconds)
  child.stdin.on('error', () => {})
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > (options.artifactBytes ?? 128 * 2 ** 20)) child.kill('SIGKILL')
    else out.push(chunk)
  })
  child.stderr.on('data', (chunk: Buffer) => words.push(chunk))
  child.stdin.end(wasm)
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null }>()
  child.once('error', reject).once('close', (code, signal) => resolve({ code, signal }))
  try {
    const { code } = await promise
    if (code === 0) return Buffer.concat(out)
    if (code === 3)
      throw new WasmError(
        'compilation-failed',
        Buffer.concat(words).toString('utf8').slice(0, 400),
        'Validate it with your own tools.',
      )
    if (size > (options.artifactBytes ?? 128 * 2 ** 20)) {
      throw new WasmError('too-large', 'the compiled module is too large', 'Build it for size, without unused code.')
    }
    throw new WasmError(
      'compilation-timeout',
      late ? `the compiler took longer than ${milliseconds} ms` : 'the compiler outgrew its memory or time',
      'Make functions smaller and nest less deeply.',
      new Error(Buffer.concat(words).toString('utf8').slice(-500)),
    )
  } finally {
    clearTimeout(timer)
  }
}
