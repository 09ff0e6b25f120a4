import { AppError, findAppError, type FieldError } from './app-error.ts'

/** RFC 9457 problem details as this product sends them. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: string
  hint: string
  retryable: boolean
  requestId: string
  errors?: readonly FieldError[]
}

/** Turns any failure into what a stranger may read: an AppError as it is, all else as a plain `internal`. */
export function toProblem(error: unknown, where: { instance: string; requestId: string }): Problem {
  const known =
    findAppError(error) ?? new AppError({ code: 'internal', detail: 'The host could not finish this request.', cause: error })
  return {
    type: known.docs,
    title: known.title,
    status: known.status,
    detail: known.detail,
    instance: where.instance,
    code: known.code,
    hint: known.hint,
    retryable: known.retryable,
    requestId: where.requestId,
    ...(known.fields.length > 0 && { errors: known.fields }),
  }
}
