import { createHash } from 'node:crypto'
import { ArtifactCache } from 'wasmtime-node/artifact-cache'
import { CompilerPool } from 'wasmtime-node/compiler-pool'
import { defaultEngineOptions, type EngineOptions } from 'wasmtime-node/engine'
import { WasmError } from 'wasmtime-node/errors'
import { checkModule, defaultModuleLimits, type ModuleLimits } from 'wasmtime-node/limits'
import type { Clock } from '../clock/clock.ts'
import { aside } from './executor/sandbox.ts'
import { FairQueue } from './fair-queue.ts'
import { refusalOfQueue } from './queue-refusal.ts'
import { WasmRefusal, type WasmErrorCode } from './wasm-error.ts'

/** A program ready to run. */
export interface Program {
  /** Name of the artifact: engine, tenant, bytes. */
  name: string
  artifact: Uint8Array
  /** Bytes its memory begins with. */
  minimumMemory: number
  /** Milliseconds spent compiling for this call; 0: it was there. */
  compileMs: number
}

export interface ProgramsOptions {
  cache: ArtifactCache
  engine: EngineOptions
  compatibility: string
  maxModuleBytes: number
  /** Milliseconds that one compiler may take. */
  compileMs: number
  /** Compilers at once; others wait, and tenants take turns. */
  compilers: number
  clock: Clock
}

/** Modules of one tenant that may wait for a compiler: more is its own fault, and of all together ours. */
const waitingPerTenant = 16
const waitingAtMost = 1000

const codes: Partial<Record<WasmError['code'], WasmErrorCode>> = {
  'invalid-wasm': 'INVALID_WASM',
  'too-complex': 'INVALID_WASM',
  'compilation-failed': 'INVALID_WASM',
  'too-large': 'PAYLOAD_TOO_LARGE',
  'memory-too-large': 'MEMORY_EXCEEDED',
  'imports-not-allowed': 'IMPORTS_NOT_ALLOWED',
  'compilation-timeout': 'COMPILATION_TIMEOUT',
  'function-not-found': 'FUNCTION_NOT_FOUND',
  'invalid-arguments': 'INVALID_ARGUMENTS',
}

/** Machine code held in memory, beside the cache on disk. */
const readyBytesAtMost = 16 * 2 ** 20

/** Makes programs of modules: caps first, then cache, then a compiler of its own. The same module is compiled once at a time. */
export class Programs {
  readonly #options: ProgramsOptions
  readonly #compiling = new Map<string, Promise<Buffer>>()
  /** Artifacts on their way to the disk. */
  readonly #putting = new Set<Promise<boolean>>()
  readonly #compilers: CompilerPool
  readonly #turns: FairQueue
  /** Checked and compiled in this process's life: no file is read and no module looked at again for them. */
  readonly #ready = new Map<string, Program>()
  #readyBytes = 0
  #closed = false
  readonly #limits: ModuleLimits
  hits = 0
  misses = 0

  constructor(options: ProgramsOptions) {
    this.#options = options
    const { engine, compileMs, compilers, clock } = options
    // memory is not counted: each compiler has its own limit
    this.#turns = new FairQueue(
      { concurrent: compilers, memoryBytes: 0, waiting: waitingAtMost, waitingPerKey: waitingPerTenant },
      clock,
    )
    this.#compilers = new CompilerPool({ engine, milliseconds: compileMs, workers: compilers, launcher: aside() })
    const { maxMemoryBytes, maxTableElements } = { ...defaultEngineOptions, ...engine }
    this.#limits = { ...defaultModuleLimits, pages: Math.floor(maxMemoryBytes / 65_536), elements: maxTableElements }
  }

  /** Ends the compilers; what waits for one is refused. Resolves when nothing more is written to the cache. */
  async close(): Promise<void> {
    this.#closed = true
    this.#compilers.close()
    await Promise.all(this.#putting)
  }

  /**
   * Throws `WasmRefusal` with the module's fault, or where too much waits for a compiler. `onCompiled` is told the milliseconds of
   * a compiler that this call took, also where nothing came of it; not what it waited, nor what another call took for both.
   * `sha256` of the module in hex, where it is known already.
   */
  async get(
    wasm: Uint8Array,
    tenant: string,
    onCompiled?: (milliseconds: number) => void,
    sha256 = createHash('sha256').update(wasm).digest('hex'),
  ): Promise<Program> {
    const { cache, compatibility, maxModuleBytes } = this.#options
    try {
      const name = ArtifactCache.nameOf({ compatibility, tenant, sha256 })
      const ready = this.#ready.get(name)
      if (ready !== undefined) {
        this.hits += 1
        return this.#keep(ready)
      }
      const shape = checkModule(wasm, { ...this.#limits, bytes: maxModuleBytes })
      const minimumMemory = shape.minimumPages * 65_536
      const kept = await cache.get(name)
      if (kept !== undefined) {
        this.hits += 1
        return this.#keep({ name, artifact: kept, minimumMemory, compileMs: 0 })
      }
      this.misses += 1
      const begun = performance.now()
      const compiling = this.#compiling.get(name) ?? this.#compile(name, wasm, tenant, onCompiled)
      this.#compiling.set(name, compiling)
      const artifact = await compiling
      this.#keep({ name, artifact, minimumMemory, compileMs: 0 })
      return { name, artifact, minimumMemory, compileMs: performance.now() - begun }
    } catch (error) {
      throw refusalOf(error)
    }
  }

  /** Most recently used last; the oldest go beyond the bytes. */
  #keep(program: Program): Program {
    const held = this.#ready.get(program.name)
    this.#ready.delete(program.name)
    this.#ready.set(program.name, program)
    if (held === undefined) this.#readyBytes += program.artifact.length
    for (const [name, { artifact }] of this.#ready) {
      if (this.#readyBytes <= readyBytesAtMost) break
      this.#ready.delete(name)
      this.#readyBytes -= artifact.length
    }
    return program
  }

  async #compile(name: string, wasm: Uint8Array, tenant: string, onCompiled?: (milliseconds: number) => void): Promise<Buffer> {
    try {
      const artifact = await this.#inTurn(wasm, tenant, onCompiled)
      // the caller has it in hand: the disk is for the next life of this process
      const putting = this.#options.cache.put(name, artifact).finally(() => this.#putting.delete(putting))
      this.#putting.add(putting)
      return artifact
    } finally {
      this.#compiling.delete(name)
    }
  }

  async #inTurn(wasm: Uint8Array, tenant: string, onCompiled?: (milliseconds: number) => void): Promise<Buffer> {
    const place = await this.#turns.enter(tenant, 0)
    if (place === undefined) throw new Error('nobody gives up a turn')
    if ('kind' in place) throw refusalOfQueue(place)
    if (this.#closed) {
      place.release()
      throw new WasmRefusal('CAPACITY_EXCEEDED', { retryAfterSeconds: 1 })
    }
    const begun = performance.now()
    try {
      return await this.#compilers.compile(wasm)
    } finally {
      place.release()
      // a compiler's own start is no fault of the module
      onCompiled?.(Math.min(performance.now() - begun, this.#options.compileMs))
    }
  }
}

/** The wire's word for what the engine refused. */
export function refusalOf(error: unknown): unknown {
  if (!(error instanceof WasmError)) return error
  const code = codes[error.code]
  return code === undefined ? error : new WasmRefusal(code, { detail: `${error.message}.`, cause: error })
}

/** The wire's word for a code that an executor sent. */
export function refusalOfCode(code: string, message: string): WasmRefusal {
  return new WasmRefusal(codes[code as WasmError['code']] ?? 'INTERNAL', { detail: message })
}
