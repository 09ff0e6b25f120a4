import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { WasmError } from './errors.ts'

/** The addon as Rust exports it (native/src). Everything typed for people stands in `engine.ts`. */
export interface NativeBinding {
  NativeEngine: new (options: NativeOptions) => NativeEngine
  NativeCancel: new () => NativeCancel
  /** Throws for what is no module at all. */
  inspectModule(wasm: Uint8Array): NativeInspection
}

export interface NativeOptions {
  slots: number
  maxMemoryBytes: number
  /** Of all instances together. */
  memoryBudgetBytes: number
  maxTableElements: number
  maxStackBytes: number
  sliceGas: number
  threads: number
  canonicalNan: boolean
}

export interface NativeEngine {
  readonly compatibility: string
  readonly memoryHeld: number
  compile(wasm: Uint8Array): Buffer
  load(artifact: Uint8Array): NativeModule
}

export interface NativeModule {
  functions(): { name: string; params: string[]; results: string[] }[]
  run(call: NativeCall, cancel: NativeCancel): Promise<NativeOutcome>
  close(): void
}

export interface NativeCancel {
  cancel(): void
}

export interface NativeCall {
  /** Made first, in the same instance; a trap in one is that of the run. */
  before: readonly { function: string; arguments: Uint8Array }[]
  function: string
  arguments: Uint8Array
  gasLimit: bigint
  milliseconds: number
  maxMemoryBytes: number
  region: boolean
}

export interface NativeOutcome {
  status:
    | 'returned'
    | 'trapped'
    | 'out-of-gas'
    | 'deadline'
    | 'cancelled'
    | 'memory-exceeded'
    | 'no-slot'
    | 'no-memory'
    | 'refused'
  detail?: string
  results?: Buffer
  region?: Buffer
  gasUsed: bigint
  gasExact: boolean
  memoryBytes: number
  growRefused: boolean
  budgetRefused: boolean
  runMilliseconds: number
}

export interface NativeInspection {
  imports: string[]
  types: number
  functions: number
  deepestNesting: number
  mostLocals: number
  mostTargets: number
  memories: number
  minimumPages: number
  memory64: boolean
  tables: number
  minimumElements: number
  customBytes: number
  hasStart: boolean
}

/** Where the addon may lie: beside the package (as published or built there). */
export const binaryPath = join(import.meta.dirname, '../build', `wasmtime-node.${process.platform}-${process.arch}.node`)

let loaded: NativeBinding | undefined

/** The addon, loaded once. Throws `binary-missing`. A published package is compiled, so a `require` is needed for the addon alone. */
export function nativeBinding(): NativeBinding {
  if (loaded !== undefined) return loaded
  if (!existsSync(binaryPath)) {
    throw new WasmError(
      'binary-missing',
      `there is no addon for ${process.platform}-${process.arch}`,
      'Build it: npx wasmtime-node-build (cargo is needed), or in the checkout ./scripts/build-wasmtime-node.sh',
    )
  }
  loaded = createRequire(import.meta.url)(binaryPath) as NativeBinding
  return loaded
}
