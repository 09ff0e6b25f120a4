import type { Refusal } from './fair-queue.ts'
import { WasmRefusal } from './wasm-error.ts'

/** The wire's word for a call that a queue did not take. */
export function refusalOfQueue({ kind, retryAfterSeconds }: Refusal): WasmRefusal {
  return new WasmRefusal(kind === 'rate' ? 'RATE_LIMITED' : 'CAPACITY_EXCEEDED', { retryAfterSeconds })
}
