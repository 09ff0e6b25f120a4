import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { z } from 'zod'
import { problemSchema } from '../api/schemas/values.ts'

/** Where the CLI speaks to: the public origin, or the operator's own socket on the host. */
export type Target = { url: string } | { socket: string }

/** An answer that was not 2xx, with the same texts as the web shows. */
export class ApiProblem extends Error {
  readonly status: number
  readonly code: string
  readonly title: string
  readonly detail: string
  readonly hint: string
  readonly fields: readonly { pointer: string; detail: string; line?: number | undefined }[]
  readonly requestId: string

  constructor(problem: z.output<typeof problemSchema>) {
    super(`${problem.title}: ${problem.detail}`)
    this.name = 'ApiProblem'
    this.status = problem.status
    this.code = problem.code
    this.title = problem.title
    this.detail = problem.detail
    this.hint = problem.hint
    this.fields = problem.errors ?? []
    this.requestId = problem.requestId
  }
}

/** Nothing answered; the exit code says so too. */
export function unreachable(
  where: string,
  title = 'The host does not answer',
  hint = 'Check the address, or start it: systemctl start freeholdd, from the tree ./scripts/up.sh.',
): ApiProblem {
  return new ApiProblem({
    type: 'urn:freehold:error:host-unreachable',
    title,
    status: 0,
    detail: `Nothing answers at ${where}.`,
    instance: where,
    code: 'host-unreachable',
    hint,
    retryable: true,
    requestId: '-',
  })
}

export interface CallOptions {
  body?: unknown
  headers?: Record<string, string>
  /** Called with each chunk of a streamed answer (SSE); the call then resolves when the stream ends. */
  onChunk?(text: string): void
  signal?: AbortSignal
}

/** A client of the API, over TCP or a unix socket. */
export interface ApiClient {
  call<T extends z.ZodType>(schema: T, method: string, path: string, options?: CallOptions): Promise<z.output<T>>
  stream(path: string, options: CallOptions): Promise<void>
  /** Sent as `Authorization: Bearer` from now on. */
  setToken(token: string): void
  readonly where: string
}

/** Makes a client. Throws nothing; calls throw ApiProblem. */
export function createClient(target: Target): ApiClient {
  const base = 'url' in target ? new URL(target.url) : new URL('http://localhost')
  const where = 'url' in target ? target.url : target.socket
  let token: string | undefined

  function send(method: string, path: string, options: CallOptions): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
    const payload = options.body === undefined ? undefined : JSON.stringify(options.body)
    const request = (base.protocol === 'https:' ? httpsRequest : httpRequest)(
      {
        method,
        path,
        ...('socket' in target ? { socketPath: target.socket } : { host: base.hostname, port: base.port }),
        headers: {
          host: base.host,
          accept: options.onChunk === undefined ? 'application/json' : 'text/event-stream',
          ...(method !== 'GET' && { origin: base.origin }),
          ...(payload !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...options.headers,
        },
        ...(options.signal !== undefined && { signal: options.signal }),
      },
      (response) => {
        let text = ''
        const streaming = options.onChunk !== undefined && (response.statusCode ?? 0) < 300
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (streaming ? options.onChunk?.(chunk) : (text += chunk)))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        response.on('error', reject)
      },
    )
    request.on('error', (e) => reject(options.signal?.aborted ? e : unreachable(where)))
    if (options.onChunk === undefined) request.setTimeout(60_000, () => request.destroy())
    request.end(payload)
    return promise
  }

  function refuse(answer: { status: number; text: string }, path: string): never {
    const parsed = problemSchema.safeParse(parseJson(answer.text))
    if (parsed.success) throw new ApiProblem(parsed.data)
    throw new ApiProblem({
      type: 'urn:freehold:error:unreadable-answer',
      title: 'The answer could not be read',
      status: answer.status,
      detail: `${where}${path} answered ${answer.status} without a known form.`,
      instance: path,
      code: 'unreadable-answer',
      hint: 'Check that this address is a Freehold host of the same version.',
      retryable: false,
      requestId: '-',
    })
  }

  return {
    where,
    setToken(value) {
      token = value
    },
    async call(schema, method, path, options = {}) {
      const answer = await send(method, path, options)
      if (answer.status < 200 || answer.status > 299) refuse(answer, path)
      const parsed = schema.safeParse(answer.text === '' ? null : parseJson(answer.text))
      if (!parsed.success) refuse({ status: answer.status, text: '' }, path)
      return parsed.data
    },
    async stream(path, options) {
      const answer = await send('GET', path, options)
      if (answer.status < 200 || answer.status > 299) refuse(answer, path)
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
