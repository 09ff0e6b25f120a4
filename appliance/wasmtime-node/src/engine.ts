import { WasmError } from './errors.ts'
import { wordsOf } from './limits.ts'
import { nativeBinding, type NativeEngine, type NativeModule, type NativeOptions, type NativeOutcome } from './native.ts'
import { decodeResults, encodeArguments, isNumberType, type LooseValue, type TypedValue } from './value.ts'

/** Settings of an engine; all have defaults. Bytes, counts and gas; nothing is a time. */
export type EngineOptions = Partial<NativeOptions>

export const defaultEngineOptions: NativeOptions = {
  slots: 128,
  maxMemoryBytes: 64 * 2 ** 20,
  memoryBudgetBytes: 8 * 2 ** 30,
  maxTableElements: 10_000,
  maxStackBytes: 512 * 1024,
  sliceGas: 100_000,
  threads: 2,
  canonicalNan: false,
}

/** Names how gas is counted: equal names count equally. It depends on compiler and price list, never on the machine. */
export const gasSchedule = 'wasmtime-48/default-v1'

/** One call of a guest. */
export interface CallOptions {
  /** Gas to spend; the run ends with `out-of-gas` when it is gone. */
  gasLimit: bigint
  /** Milliseconds of wall time from now. */
  milliseconds: number
  /** Most bytes of memory, up to the engine's. */
  maxMemoryBytes?: number
  /** The two results name bytes of the memory: pointer and length. */
  region?: boolean
  /**
   * Calls made first in the same instance and under the same limits, such as `_initialize` of a module that is a library. Their
   * results are dropped; a trap in one of them is the trap of the run.
   */
  before?: readonly { name: string; values: readonly LooseValue[] }[]
  signal?: AbortSignal
}

/** How a run ended. There is gas on every one. */
export interface Outcome extends Omit<NativeOutcome, 'results' | 'region' | 'detail'> {
  results: readonly TypedValue[] | null
  region: Buffer | null
  detail: string | null
}

export interface Signature {
  name: string
  params: readonly string[]
  results: readonly string[]
}

/** Compiles, loads and runs. One of it per process is enough. Throws `binary-missing`. */
export class Engine {
  readonly #native: NativeEngine
  readonly options: NativeOptions

  constructor(options: EngineOptions = {}) {
    this.options = { ...defaultEngineOptions, ...options }
    this.#native = new (nativeBinding().NativeEngine)(this.options)
  }

  /** An artifact loads only where this is the same. */
  get compatibility(): string {
    return this.#native.compatibility
  }

  /** Bytes that the memories of all instances hold now. */
  get memoryHeld(): number {
    return this.#native.memoryHeld
  }

  /**
   * Machine code of a module. Blocks its thread without limit: call it in a process that may be killed (`compileInChild`).
   * Throws `compilation-failed`.
   */
  compile(wasm: Uint8Array): Buffer {
    try {
      return this.#native.compile(wasm)
    } catch (cause) {
      throw new WasmError(
        'compilation-failed',
        `the module was refused: ${wordsOf(cause)}`,
        'Validate it with your own tools.',
        cause,
      )
    }
  }

  /** A module from an artifact that is known to be ours: foreign bytes run as machine code. Throws `artifact-damaged`. */
  load(artifact: Uint8Array): Module {
    try {
      return new Module(this.#native.load(artifact))
    } catch (cause) {
      throw new WasmError('artifact-damaged', `the artifact does not load: ${wordsOf(cause)}`, 'Compile the module again.', cause)
    }
  }
}

/** A module that can run, as often and as many at once as the engine has slots. */
export class Module {
  readonly #native: NativeModule
  readonly functions: ReadonlyMap<string, Signature>

  constructor(native: NativeModule) {
    this.#native = native
    this.functions = new Map(native.functions().map((one) => [one.name, one]))
  }

  /**
   * Gives back code and file descriptor once the runs under way have ended; later ones throw. A module that is not closed holds
   * one descriptor until it is collected, and nothing tells the collector to hurry.
   */
  close(): void {
    this.#native.close()
  }

  /**
   * Runs a function in a fresh instance. Throws `function-not-found` and `invalid-arguments` before anything runs; whatever the
   * guest does afterwards is an outcome. An aborted signal ends it at its next slice.
   */
  async run(name: string, values: readonly LooseValue[], options: CallOptions): Promise<Outcome> {
    const signature = this.#signature(name)
    const [odd] = signature.results.filter((type) => !isNumberType(type))
    if (odd !== undefined) {
      const what = `a result of ${JSON.stringify(name.slice(0, 80))} is of type ${odd}, which cannot be passed`
      throw new WasmError('invalid-arguments', what, 'Export a function that gives numbers.')
    }
    const call = {
      before: (options.before ?? []).map((step) => ({
        function: step.name,
        arguments: encodeArguments(this.#signature(step.name).params, step.values),
      })),
      function: name,
      arguments: encodeArguments(signature.params, values),
      gasLimit: options.gasLimit,
      milliseconds: options.milliseconds,
      maxMemoryBytes: options.maxMemoryBytes ?? Number.MAX_SAFE_INTEGER,
      region: options.region ?? false,
    }
    const cancel = new (nativeBinding().NativeCancel)()
    const onAbort = (): void => cancel.cancel()
    if (options.signal?.aborted === true) cancel.cancel()
    else options.signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const { results, region, detail, ...rest } = await this.#native.run(call, cancel)
      return {
        ...rest,
        detail: detail ?? null,
        results: results === undefined ? null : decodeResults(signature.results, results),
        region: region ?? null,
      }
    } finally {
      options.signal?.removeEventListener('abort', onAbort)
    }
  }

  #signature(name: string): Signature {
    const signature = this.functions.get(name)
    if (signature !== undefined) return signature
    throw new WasmError(
      'function-not-found',
      `the module exports no function ${JSON.stringify(name.slice(0, 80))}`,
      'Name one that it exports.',
    )
  }
}
