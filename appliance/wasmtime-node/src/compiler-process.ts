import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { EngineOptions } from './engine.ts'
import { WasmError } from './errors.ts'

export interface CompileOptions {
  /** Those of the engine that will load the artifact. */
  engine?: EngineOptions
  /** Wall time for a module, after which the compiler is killed; its own start is not counted. Default 10 000. */
  milliseconds?: number
  /** Address space of the compiler in KiB, by `prlimit`. Default 4 000 000; Node alone reserves some two million. */
  addressSpaceKiB?: number
  /** Words before the command of the compiler, such as those of `confined`: each must replace itself by what follows. */
  launcher?: readonly string[]
  /** Largest artifact in bytes. Default 128 MiB. */
  artifactBytes?: number
}

interface Turn {
  resolve(artifact: Buffer): void
  reject(error: WasmError): void
}

const headBytes = 5
/** Wall time for the start of the process: on a busy machine it takes longer than a module. */
const startMilliseconds = 30_000

/** A compiler without environment that takes one module at a time and does not outlive a failure of its own. */
export class CompilerProcess {
  readonly #options: Required<Omit<CompileOptions, 'engine'>>
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  #turn: Turn | undefined
  /** Until the process takes modules, or is gone. */
  readonly #started = Promise.withResolvers<void>()
  #late = false
  #large = false
  #words = ''
  #parts: Buffer[] = []
  #held = 0
  #alive = true

  constructor({
    engine = {},
    milliseconds = 10_000,
    addressSpaceKiB = 4_000_000,
    launcher = [],
    artifactBytes = 128 * 2 ** 20,
  }: CompileOptions) {
    this.#options = { milliseconds, addressSpaceKiB, artifactBytes, launcher }
    const script = join(import.meta.dirname, `compile-child${import.meta.filename.endsWith('.ts') ? '.ts' : '.js'}`)
    const command = [process.execPath, '--max-old-space-size=256', script, JSON.stringify(engine)]
    const stdio = ['pipe', 'pipe', 'pipe'] as ['pipe', 'pipe', 'pipe']
    const limits = ['prlimit', `--as=${addressSpaceKiB * 1024}`, '--core=0', '--']
    const [program = '', ...args] = [...limits, ...launcher, ...command]
    this.#child = spawn(program, args, { env: {}, stdio })
    this.#child.stdin.on('error', () => {})
    this.#child.stdout.on('data', (chunk: Buffer) => this.#hear(chunk))
    this.#child.stderr.on('data', (chunk: Buffer) => (this.#words = `${this.#words}${chunk.toString()}`.slice(-500)))
    this.#child.once('error', () => this.#over()).once('close', () => this.#over())
  }

  get alive(): boolean {
    return this.#alive
  }

  /** One module at a time. Throws as `compileInChild`; after anything but the module's own fault the process is gone. */
  async compile(wasm: Uint8Array): Promise<Buffer> {
    if (!this.#alive) throw this.#failure()
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    this.#turn = { resolve, reject }
    const late = (): void => {
      this.#late = true
      this.kill()
    }
    const starting = setTimeout(late, startMilliseconds)
    await this.#started.promise
    clearTimeout(starting)
    const timer = setTimeout(late, this.#options.milliseconds)
    const head = Buffer.alloc(4)
    head.writeUInt32LE(wasm.length)
    this.#child.stdin.write(head)
    this.#child.stdin.write(wasm)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }

  /** At once it takes nothing more; what it was at is refused when it is gone. */
  kill(): void {
    this.#alive = false
    this.#child.kill('SIGKILL')
  }

  #hear(chunk: Buffer): void {
    this.#parts.push(chunk)
    this.#held += chunk.length
    if (this.#held < headBytes) return
    const first = this.#parts[0] !== undefined && this.#parts[0].length >= headBytes ? this.#parts[0] : Buffer.concat(this.#parts)
    const length = first.readUInt32LE(1)
    if (length > this.#options.artifactBytes) {
      this.#large = true
      return this.kill()
    }
    if (this.#held < headBytes + length) return
    const heard = Buffer.concat(this.#parts)
    const whole = heard.subarray(0, headBytes + length)
    ;[this.#parts, this.#held] = [[heard.subarray(whole.length)], heard.length - whole.length]
    if (whole.readUInt8(0) === 2) return this.#started.resolve()
    const [turn, content] = [this.#turn, whole.subarray(headBytes)]
    this.#turn = undefined
    const word = whole.readUInt8(0)
    // a buffer of its own: a piece of one that others share would keep all of that
    if (word === 0) return turn?.resolve(Buffer.from(new Uint8Array(content).buffer))
    if (word !== 3) {
      this.#words = content.toString()
      this.kill()
      return turn?.reject(this.#failure())
    }
    const message = content.toString('utf8').slice(0, 400)
    turn?.reject(new WasmError('compilation-failed', message, 'Validate it with your own tools.'))
  }

  #over(): void {
    this.#alive = false
    this.#turn?.reject(this.#failure())
    this.#turn = undefined
    this.#started.resolve()
  }

  #failure(): WasmError {
    if (this.#large)
      return new WasmError('too-large', 'the compiled module is too large', 'Build it for size, without unused code.')
    const what = this.#late
      ? `the compiler took longer than ${this.#options.milliseconds} ms`
      : 'the compiler outgrew its memory or time'
    return new WasmError('compilation-timeout', what, 'Make functions smaller and nest less deeply.', new Error(this.#words))
  }
}
