import { CompilerProcess, type CompileOptions } from './compiler-process.ts'

export interface CompilerPoolOptions extends CompileOptions {
  /** Compilers at once; other modules wait. */
  workers: number
  /** Modules after which a compiler is replaced. Default 200. */
  modulesEach?: number
  /** A module beyond this many bytes is a compiler's last, so that its memory comes back. Default 128 KiB. */
  smallBytes?: number
}

interface Worker {
  compiler: CompilerProcess
  modules: number
}

/**
 * Compilers that stay warm: starting one costs a hundred times what a small module does. Each is killed and replaced like that of
 * `compileInChild`, and lives for a limited number of modules.
 */
export class CompilerPool {
  readonly #options: CompilerPoolOptions
  readonly #idle: Worker[] = []
  readonly #all = new Set<CompilerProcess>()
  readonly #waiting: (() => void)[] = []
  #busy = 0
  #closed = false

  constructor(options: CompilerPoolOptions) {
    this.#options = options
  }

  /** Throws as `compileInChild`. The deadline is that of the compiler and begins when the module's turn comes. */
  async compile(wasm: Uint8Array): Promise<Buffer> {
    const { workers, modulesEach = 200, smallBytes = 131_072 } = this.#options
    if (this.#busy >= workers) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#busy += 1
    const worker = this.#take()
    try {
      return await worker.compiler.compile(wasm)
    } finally {
      worker.modules += 1
      const spent = worker.modules >= modulesEach || wasm.length > smallBytes || this.#closed
      if (spent) worker.compiler.kill()
      if (worker.compiler.alive) this.#idle.push(worker)
      else {
        this.#all.delete(worker.compiler)
        // its successor starts now, and not when a module waits for it; those that are warm are taken before it
        if (!this.#closed) this.#idle.unshift(this.#start())
      }
      const next = this.#waiting.shift()
      // whoever waits takes this place over
      if (next === undefined) this.#busy -= 1
      else next()
    }
  }

  /** Ends all compilers; modules under way are refused. */
  close(): void {
    this.#closed = true
    for (const compiler of this.#all) compiler.kill()
    this.#idle.length = 0
  }

  #take(): Worker {
    for (let worker = this.#idle.pop(); worker !== undefined; worker = this.#idle.pop()) {
      if (worker.compiler.alive) return worker
      this.#all.delete(worker.compiler)
    }
    return this.#start()
  }

  #start(): Worker {
    const compiler = new CompilerProcess(this.#options)
    this.#all.add(compiler)
    return { compiler, modules: 0 }
  }
}
