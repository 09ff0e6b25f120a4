import { errorCatalogue, type ErrorCode } from './catalogue.ts'

/** What an AppError is made of. All but `cause` may reach a stranger; `cause` goes to the log only. */
export interface AppErrorFields {
  code: ErrorCode
  /** What happened, with the value concerned. */
  detail: string
  /** What to do now. Default: the catalogue's. */
  hint?: string
  /** Fields of a form or file that are wrong, as JSON pointers. */
  fields?: readonly FieldError[]
  /** Seconds after which a retry makes sense (429, 503). */
  retryAfterSeconds?: number
  cause?: unknown
}

/** One wrong field: where (JSON pointer, and line in a file) and why. */
export interface FieldError {
  pointer: string
  detail: string
  line?: number
}

/**
 * The one error type that may cross a border of the product. Code, title, hint, HTTP status and whether a retry can help
 * stand in the catalogue. Anything else that is thrown leaves the process as a plain 500.
 */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly title: string
  readonly detail: string
  readonly hint: string
  readonly status: number
  readonly retryable: boolean
  readonly fields: readonly FieldError[]
  readonly retryAfterSeconds: number | undefined

  constructor(fields: AppErrorFields) {
    const entry = errorCatalogue[fields.code]
    super(`${entry.title}: ${fields.detail}`, { cause: fields.cause })
    this.name = 'AppError'
    this.code = fields.code
    this.title = entry.title
    this.detail = fields.detail
    this.hint = fields.hint ?? entry.hint
    this.status = entry.status
    this.retryable = entry.retryable
    this.fields = fields.fields ?? []
    this.retryAfterSeconds = fields.retryAfterSeconds
  }

  /** Stable address of the error's explanation; `type` on the wire. */
  get docs(): string {
    return `urn:freehold:error:${this.code}`
  }
}

/** The AppError of `code` in a chain of causes, or undefined. */
export function findAppError(error: unknown, code?: ErrorCode): AppError | undefined {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    if (e instanceof AppError && (code === undefined || e.code === code)) return e
  }
  return undefined
}
