/** What is refused before a guest runs. How a run ends is an outcome and never an error. */
export type WasmErrorCode =
  | 'binary-missing'
  | 'invalid-wasm'
  | 'imports-not-allowed'
  | 'too-complex'
  | 'too-large'
  | 'memory-too-large'
  | 'compilation-timeout'
  | 'compilation-failed'
  | 'artifact-damaged'
  | 'function-not-found'
  | 'invalid-arguments'

/** The one error of this package: `message` says what was seen, `hint` what to do. */
export class WasmError extends Error {
  readonly code: WasmErrorCode
  readonly hint: string

  constructor(code: WasmErrorCode, message: string, hint: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'WasmError'
    this.code = code
    this.hint = hint
  }
}
