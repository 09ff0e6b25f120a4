import type { z } from 'zod'
import type { Clock } from '../../clock/clock.ts'
import type { Http, Method, Params, RawAnswer, RawBody } from './http.ts'
import { mayHaveHappened, PveError } from './pve-error.ts'

/** What a call may be told beside its parameters. */
export interface CallOptions {
  signal?: AbortSignal | undefined
  timeoutMs?: number
}

/** A call that waits for a lock may take 10 s, a 401 is held back 3 s. */
const callTimeoutMs = 30_000
/** A question is asked again: it changes nothing. */
const questionPausesMs = [200, 800] as const

/** Typed calls to a server or to the nodes of one cluster. Nothing but questions is ever sent twice. */
export class PveClient {
  readonly #ways: readonly Http[]
  readonly #clock: Clock
  readonly #pace: number
  #way = 0
  /** Calls sent, for the bench and the health page. */
  sent = 0

  /** `ways`: one per node; the next is taken only where no connection came about, so nothing was done. */
  constructor(ways: readonly Http[], clock: Clock, pace = 1) {
    this.#pace = pace
    this.#ways = ways
    this.#clock = clock
  }

  close(): void {
    for (const way of this.#ways) way.close()
  }

  /** Asks; asked again when the answer was lost. Throws PveError. */
  async get<T extends z.ZodType>(path: string, schema: T, params?: Params, options: CallOptions = {}): Promise<z.output<T>> {
    for (const pause of questionPausesMs) {
      try {
        return await this.#call('GET', path, schema, params, options)
      } catch (error) {
        if (!mayHaveHappened(error) || options.signal?.aborted === true) throw error
        await this.#clock.wait(Math.max(2, pause * this.#pace), options.signal)
      }
    }
    return await this.#call('GET', path, schema, params, options)
  }

  /** Throws PveError; `mayHaveHappened` tells whether the world must be looked at before anything else. */
  async post<T extends z.ZodType>(path: string, schema: T, params?: Params, options: CallOptions = {}): Promise<z.output<T>> {
    return await this.#call('POST', path, schema, params, options)
  }

  async put<T extends z.ZodType>(path: string, schema: T, params?: Params, options: CallOptions = {}): Promise<z.output<T>> {
    return await this.#call('PUT', path, schema, params, options)
  }

  async delete<T extends z.ZodType>(path: string, schema: T, params?: Params, options: CallOptions = {}): Promise<z.output<T>> {
    return await this.#call('DELETE', path, schema, params, options)
  }

  /** Sends a body as it is: an upload. */
  async upload<T extends z.ZodType>(path: string, schema: T, body: RawBody, options: CallOptions = {}): Promise<z.output<T>> {
    return await this.#call('POST', path, schema, undefined, options, body)
  }

  async #call<T extends z.ZodType>(
    method: Method,
    path: string,
    schema: T,
    params: Params | undefined,
    options: CallOptions,
    body?: RawBody,
  ): Promise<z.output<T>> {
    const answer = await this.#send(method, path, params, options, body)
    const data = judge(`${method} ${path}`, method, answer)
    const parsed = schema.safeParse(data)
    if (parsed.success) return parsed.data
    const kind = method === 'GET' ? 'unreadable' : 'unknown-outcome'
    throw new PveError({
      kind,
      call: `${method} ${path}`,
      status: answer.status,
      reason: 'unexpected answer',
      cause: parsed.error,
    })
  }

  async #send(
    method: Method,
    path: string,
    params: Params | undefined,
    options: CallOptions,
    body?: RawBody,
  ): Promise<RawAnswer> {
    for (let tried = 1; ; tried++) {
      const way = this.#ways[this.#way % this.#ways.length]
      if (way === undefined) throw new PveError({ kind: 'unreachable', call: `${method} ${path}`, reason: 'no address is known' })
      try {
        this.sent++
        const { timeoutMs = callTimeoutMs, signal } = options
        return await way.send({ method, path, params, timeoutMs, signal, ...(body !== undefined && { body }) })
      } catch (error) {
        const elsewhere = error instanceof PveError && error.kind === 'unreachable' && tried < this.#ways.length
        if (!elsewhere || options.signal?.aborted === true) throw error
        this.#way++
      }
    }
  }
}

/** `data` of a good answer; else a PveError, with the reason phrase first: some bodies are empty. */
function judge(call: string, method: Method, { status, reason, body }: RawAnswer): unknown {
  const json = parse(body)
  if (status === 200) {
    if (json !== undefined && 'data' in json) return json['data']
    throw new PveError({
      kind: method === 'GET' ? 'unreadable' : 'unknown-outcome',
      call,
      status,
      reason: 'no JSON in the answer',
    })
  }
  const message = typeof json?.['message'] === 'string' ? json['message'].trim() : ''
  const fault = { call, status, reason: reason || message || String(status), fields: fieldsOf(json?.['errors']) }
  if (status === 401) throw new PveError({ ...fault, kind: 'unauthorized' })
  if (status === 403) throw new PveError({ ...fault, kind: 'forbidden' })
  // 595, 596, 599: the hop behind the proxy failed; 502–504: a proxy of somebody else in between
  if (status >= 502) throw new PveError({ ...fault, kind: 'unknown-outcome' })
  throw new PveError({ ...fault, kind: 'refused' })
}

function parse(body: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(body)
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function fieldsOf(errors: unknown): Record<string, string> {
  if (typeof errors !== 'object' || errors === null) return {}
  return Object.fromEntries(Object.entries(errors).map(([name, words]) => [name, String(words).trim()]))
}
