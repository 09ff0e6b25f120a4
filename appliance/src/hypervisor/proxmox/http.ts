import { Agent, request as httpsRequest, type RequestOptions } from 'node:https'
import type { Duplex, Readable } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { PveError } from './pve-error.ts'
import type { PinnedTls } from './pinned-tls.ts'
import { AppError } from '../../errors/app-error.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
/** A list is sent as the parameter repeated. */
export type Params = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

/** What came back, before anybody has judged it. */
export interface RawAnswer {
  status: number
  /** The reason phrase: carries the server's words for an error. */
  reason: string
  body: string
}

/** A body that is not a form: an upload. */
export interface RawBody {
  contentType: string
  length: number
  open(): Readable
}

export interface Call {
  method: Method
  /** Below `/api2/json`, with its parts encoded. */
  path: string
  params?: Params | undefined
  body?: RawBody
  timeoutMs: number
  signal?: AbortSignal | undefined
}

/** The server refuses more with a cut connection. Source: recordings f 428. */
const mostBodyBytes = 512 * 1024
/** An answer that is longer is none of the API's; 10,000 VMs take some 5 MiB. */
const mostAnswerBytes = 64 * 2 ** 20

/** A kept connection is dropped well before the server would do so under a request. */
const idleMs = 2000

/** Sends one request over a checked connection; never twice, whatever happens. Throws PveError or `certificate-mismatch`. */
export class Http {
  readonly #tls: PinnedTls
  readonly #authorization: () => Readonly<Record<string, string>>
  readonly #agent: Agent

  constructor(tls: PinnedTls, authorization: () => Readonly<Record<string, string>>) {
    this.#tls = tls
    this.#authorization = authorization
    this.#agent = new Agent({ keepAlive: true, maxSockets: 16, scheduling: 'lifo', timeout: idleMs })
    this.#agent.createConnection = (_options, done) => {
      tls.open().then(
        (socket) => done?.(null, socket.setTimeout(idleMs)),
        (error: unknown) => done?.(error as Error, undefined as unknown as Duplex),
      )
      return undefined
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  async send(call: Call): Promise<RawAnswer> {
    const named = `${call.method} ${call.path}`
    const form = encodeForm(call.params)
    const inQuery = call.method === 'GET' || call.method === 'DELETE'
    const query = inQuery && form !== '' ? `?${form}` : ''
    const text = inQuery || call.body !== undefined ? '' : form
    const length = call.body?.length ?? Buffer.byteLength(text)
    if (call.body === undefined && length > mostBodyBytes) {
      throw new PveError({ kind: 'refused', call: named, reason: 'the request is larger than the server takes' })
    }
    const { host, port } = this.#tls.endpoint
    const options: RequestOptions = {
      method: call.method,
      path: `/api2/json${call.path}${query}`,
      host,
      port,
      agent: this.#agent,
      headers: {
        ...this.#authorization(),
        accept: 'application/json',
        // a body on GET or DELETE is refused with 501, a missing length too
        ...(!inQuery && {
          'content-type': call.body?.contentType ?? 'application/x-www-form-urlencoded',
          'content-length': length,
        }),
      },
    }
    const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
    const request = httpsRequest(options)
    let connected = false
    const fail = (error: unknown) => {
      if (error instanceof AppError) return reject(error)
      const kind = connected ? 'unknown-outcome' : 'unreachable'
      reject(new PveError({ kind, call: named, reason: error instanceof Error ? error.message : 'cut', cause: error }))
    }
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${call.timeoutMs} ms`)), call.timeoutMs)
    const abort = () => request.destroy(new Error('aborted'))
    call.signal?.addEventListener('abort', abort, { once: true })
    request.once('socket', () => (connected = true))
    request.once('error', fail)
    request.once('response', (response) => {
      collect(response, request.destroy.bind(request)).then((body) => {
        resolve({ status: response.statusCode ?? 0, reason: decodeReason(response), body })
      }, fail)
    })
    if (call.body === undefined) request.end(text)
    else {
      const source = call.body.open()
      source.once('error', (error) => request.destroy(error))
      source.pipe(request)
    }
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      call.signal?.removeEventListener('abort', abort)
    }
  }
}

/** Node reads the phrase as Latin-1; the server writes UTF-8. */
function decodeReason(response: IncomingMessage): string {
  return Buffer.from(response.statusMessage ?? '', 'latin1')
    .toString('utf8')
    .trim()
}

async function collect(response: IncomingMessage, stop: () => void): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    length += chunk.length
    if (length > mostAnswerBytes) {
      stop()
      throw new Error('the answer is too long')
    }
    chunks.push(chunk)
  }
  if (!response.complete) throw new Error('the answer was cut')
  return Buffer.concat(chunks).toString('utf8')
}

/** `a=1&b=x%20y`; booleans as 1 and 0, lists repeated, undefined left out. */
export function encodeForm(params: Params = {}): string {
  const pairs: string[] = []
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined) continue
    const values = Array.isArray(value) ? value : [typeof value === 'boolean' ? Number(value) : value]
    for (const one of values) pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(String(one))}`)
  }
  return pairs.join('&')
}
