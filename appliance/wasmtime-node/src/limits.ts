import { WasmError } from './errors.ts'
import { nativeBinding, type NativeInspection } from './native.ts'

/** Caps on a module before it is compiled: compilation stops for neither gas nor clock, and some shapes cost quadratically. */
export interface ModuleLimits {
  bytes: number
  functions: number
  types: number
  nesting: number
  locals: number
  targets: number
  /** Pages of 64 KiB that the memory may begin with: the engine's `maxMemoryBytes`, or a module of ours would not load. */
  pages: number
  tables: number
  /** That a table may begin with: the engine's `maxTableElements`. */
  elements: number
}

export const defaultModuleLimits: ModuleLimits = {
  bytes: 16 * 2 ** 20,
  functions: 20_000,
  types: 20_000,
  nesting: 1000,
  locals: 20_000,
  targets: 50_000,
  pages: 1024,
  tables: 4,
  elements: 10_000,
}

/**
 * Looks at a module and refuses what shall not reach the compiler. Throws `too-large`, `invalid-wasm`, `imports-not-allowed`,
 * `too-complex`, `memory-too-large`. That a module passes does not say that it is valid: the compiler says so.
 */
export function checkModule(wasm: Uint8Array, limits: ModuleLimits = defaultModuleLimits): NativeInspection {
  if (wasm.length > limits.bytes) {
    throw new WasmError(
      'too-large',
      `the module has ${wasm.length} bytes, ${limits.bytes} are allowed`,
      'Leave out debug sections.',
    )
  }
  const found = inspected(wasm)
  const [first] = found.imports
  if (first !== undefined) {
    throw new WasmError(
      'imports-not-allowed',
      `the module imports ${first}`,
      'Build it without imports: there is no host to call.',
    )
  }
  if (found.memories > 1 || found.memory64) {
    throw new WasmError(
      'invalid-wasm',
      'the module uses several memories or a 64-bit one',
      'Build it for wasm32 with one memory.',
    )
  }
  if (found.minimumPages > limits.pages) {
    throw new WasmError(
      'memory-too-large',
      `the memory begins with ${found.minimumPages} pages, ${limits.pages} are allowed`,
      'Begin with less, and keep stack and data small.',
    )
  }
  const counted = [
    ['functions', found.functions, limits.functions],
    ['types', found.types, limits.types],
    ['nested blocks', found.deepestNesting, limits.nesting],
    ['locals in one function', found.mostLocals, limits.locals],
    ['targets in one br_table', found.mostTargets, limits.targets],
    ['tables', found.tables, limits.tables],
    ['elements in a table', found.minimumElements, limits.elements],
  ] as const
  for (const [what, count, most] of counted) {
    if (count > most)
      throw new WasmError(
        'too-complex',
        `the module has ${count} ${what}, ${most} are allowed`,
        'Split it or build it with other settings.',
      )
  }
  return found
}

function inspected(wasm: Uint8Array): NativeInspection {
  try {
    return nativeBinding().inspectModule(wasm)
  } catch (cause) {
    if (cause instanceof WasmError) throw cause
    throw new WasmError(
      'invalid-wasm',
      `this is no WebAssembly module: ${wordsOf(cause)}`,
      'Send the binary form (.wasm).',
      cause,
    )
  }
}

/** The first line of an engine's words: later lines repeat the chain. */
export function wordsOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]?.slice(0, 300) ?? ''
}
