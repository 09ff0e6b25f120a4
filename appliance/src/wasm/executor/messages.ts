import type { EngineOptions, Outcome } from 'wasmtime-node/engine'
import type { LooseValue } from 'wasmtime-node/value'

/** What the parent sends to an executor. */
export type ToExecutor = { kind: 'run'; id: number; call: ExecutorCall; artifact?: Uint8Array } | { kind: 'cancel'; id: number }

/** One call; `program` names the artifact, which travels only when the executor has not got it. */
export interface ExecutorCall {
  program: string
  functionName: string
  values: readonly LooseValue[]
  gasLimit: bigint
  milliseconds: number
  maxMemoryBytes: number
  region: boolean
}

/** What an executor answers. `missing`: send the artifact. `refused`: the call never ran. */
export type FromExecutor =
  | { kind: 'ready'; compatibility: string }
  | { kind: 'missing'; id: number }
  | { kind: 'refused'; id: number; code: string; message: string }
  | { kind: 'done'; id: number; outcome: Outcome }

export type { EngineOptions, Outcome, LooseValue }
