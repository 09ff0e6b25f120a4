/** What can go wrong, as stable words. */
export type WireGuardErrorCode =
  | 'bad-key'
  | 'bad-address'
  | 'bad-endpoint'
  | 'bad-config'
  | 'bad-name'
  | 'interface-missing'
  | 'interface-refused'
  | 'daemon-missing'
  | 'daemon-failed'
  | 'protocol'
  | 'timed-out'

/**
 * The one error of this package. `message` says what was seen and never holds a private or preshared key; `hint` what to do;
 * `line` is the line of a text that is wrong, counted from 1.
 */
export class WireGuardError extends Error {
  readonly code: WireGuardErrorCode
  readonly hint: string
  readonly line: number | undefined

  constructor(code: WireGuardErrorCode, message: string, hint: string, options: { line?: number; cause?: unknown } = {}) {
    super(options.line === undefined ? message : `line ${options.line}: ${message}`, { cause: options.cause })
    this.name = 'WireGuardError'
    this.code = code
    this.hint = hint
    this.line = options.line
  }
}
