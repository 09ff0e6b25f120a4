import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { AppError, findAppError, type FieldError } from '../errors/app-error.ts'
import { toProblem } from '../errors/problem.ts'
import type { ApiPorts } from './ports.ts'

/** JSON pointers (RFC 6901) of what is wrong: each unknown field itself, not what holds it; '' is the whole, '/' is a field without a name. */
function pointersOf({ keyword, instancePath, params }: FastifySchemaValidationError): string[] {
  const base = instancePath === '/' ? '' : instancePath
  const keys = keyword === 'unrecognized_keys' ? params['keys'] : undefined
  if (!Array.isArray(keys) || keys.length === 0) return [base]
  return keys.slice(0, 10).map((key) => `${base}/${String(key).slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}`)
}

/** What Fastify itself refuses, in our words. Undefined: a failure of ours. */
function fromFastify(error: FastifyError): AppError | undefined {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const fields = error.validation.flatMap((v) =>
      pointersOf(v).map((pointer): FieldError => ({ pointer, detail: v.message ?? 'is not valid' })),
    )
    return new AppError({
      code: 'bad-input',
      detail: `${fields.length === 1 ? 'One field is' : `${fields.length} fields are`} not as they should be.`,
      fields,
    })
  }
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new AppError({ code: 'body-too-large', detail: 'The body is larger than 256 KiB.' })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new AppError({
        code: 'bad-input',
        detail: 'The body must be JSON.',
        hint: 'Send it with content-type application/json.',
      })
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
    case 'FST_ERR_BAD_URL':
      return new AppError({ code: 'bad-input', detail: 'The request is no valid JSON over HTTP.' })
  }
  return error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500
    ? new AppError({ code: 'bad-input', detail: 'The request could not be read.' })
    : undefined
}

/** The one funnel: every failure leaves as RFC 9457, and what is not meant for strangers stays in the log. */
export function registerProblems(app: FastifyInstance, ports: Pick<ApiPorts, 'log'>): void {
  app.setErrorHandler((error: FastifyError, request, reply) =>
    send(findAppError(error) ?? fromFastify(error) ?? error, request, reply),
  )
  app.setNotFoundHandler((request, reply) => {
    send(new AppError({ code: 'not-found', detail: 'There is no such resource.' }), request, reply)
  })

  function send(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const problem = toProblem(error, { instance: request.url.split('?')[0] ?? '/', requestId: request.id })
    if (problem.status >= 500) {
      const cause = error instanceof Error ? (error.cause ?? error) : error
      ports.log.error(
        { requestId: request.id, code: problem.code, cause: cause instanceof Error ? cause.stack : String(cause) },
        'request failed',
      )
    }
    if (error instanceof AppError && error.retryAfterSeconds !== undefined)
      void reply.header('retry-after', error.retryAfterSeconds)
    void reply.code(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem))
  }
}
