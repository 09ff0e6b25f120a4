/** The error codes of the wire with their HTTP status. `fact` marks those that a run itself ended with: they have a receipt. */
export const wasmErrors = {
  INVALID_REQUEST: { status: 400, message: 'The request is not valid.' },
  ENCRYPTION_ERROR: { status: 400, message: 'The program could not be opened.' },
  KEY_EXPIRED: { status: 400, message: 'This key is over its time. Fetch /v1/keys and seal again.' },
  UNKNOWN_KEY: { status: 400, message: 'This key is not known here. Fetch /v1/keys and seal again.' },
  UNAUTHORIZED: { status: 401, message: 'A valid X-API-Key is needed.' },
  ALLOWANCE_SPENT: {
    status: 402,
    message: 'The gas of this day is spent. It is renewed at midnight UTC; a larger plan has more.',
  },
  SCOPE_MISSING: { status: 403, message: 'This key may not do that.' },
  COMMITMENT_NOT_FOUND: { status: 404, message: 'Nothing is known of this, or not any more.' },
  NOT_FOUND: { status: 404, message: 'There is nothing here.' },
  EXECUTION_TIMEOUT: {
    status: 408,
    message: 'The program ran out of time. Do not send the same sealed request again: seal it anew.',
  },
  REPLAY_DETECTED: { status: 409, message: 'This very request has been here before. Seal it anew.' },
  PAYLOAD_TOO_LARGE: { status: 413, message: 'The request is too large.' },
  INVALID_WASM: { status: 422, message: 'This is no valid WebAssembly module.' },
  INVALID_ARGUMENTS: { status: 422, message: 'The arguments do not fit the function.' },
  IMPORTS_NOT_ALLOWED: { status: 422, message: 'The module has imports, and there is nothing to import.' },
  FUNCTION_NOT_FOUND: { status: 422, message: 'The module exports no such function.' },
  COMPILATION_TIMEOUT: { status: 422, message: 'The module takes too long to compile.' },
  MEMORY_EXCEEDED: { status: 422, message: 'The program needed more memory than it may have.' },
  GAS_EXHAUSTED: { status: 422, message: 'The program spent all its gas.' },
  WASM_TRAP: { status: 422, message: 'The program trapped.' },
  RATE_LIMITED: { status: 429, message: 'Too much at once with this key.' },
  INTERNAL: { status: 500, message: 'Something failed here.' },
  CAPACITY_EXCEEDED: { status: 503, message: 'The host is full at the moment.' },
} as const

export type WasmErrorCode = keyof typeof wasmErrors

/** A refusal on its way to the caller. `detail` may reach a stranger; `cause` goes to the log alone. */
export class WasmRefusal extends Error {
  readonly code: WasmErrorCode
  readonly status: number
  readonly retryAfterSeconds: number | undefined
  /** Part of the answer where a run has ended with this: gas, receipt. */
  readonly facts: Record<string, unknown> | undefined

  constructor(
    code: WasmErrorCode,
    options: { detail?: string; retryAfterSeconds?: number; facts?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(options.detail === undefined ? wasmErrors[code].message : `${wasmErrors[code].message} ${options.detail}`, {
      cause: options.cause,
    })
    this.name = 'WasmRefusal'
    this.code = code
    this.status = wasmErrors[code].status
    this.retryAfterSeconds = options.retryAfterSeconds
    this.facts = options.facts
  }
}
