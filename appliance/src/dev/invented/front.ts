import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { sessionCookie } from '../../api/identity.ts'
import { AppError } from '../../errors/app-error.ts'
import { toProblem } from '../../errors/problem.ts'

export interface FrontOptions {
  port: number
  /** Where the API listens on loopback. */
  apiPort: number
  /** Where the pages are served. */
  webPort: number
  /** Every request that brings no session of its own is the visitor's. */
  sessionToken: string
  /** Refuses whatever would change something. */
  readOnly: boolean
}

/** What a path answers instead of the truth: a failure of the host, no answer of the daemon, or none at all. */
export type FrontFault = 'internal' | 'down' | 'hang'

/** Reads that browsers send as POST. */
const readsByPost = new Set(['/v1/rpc'])

export interface Front {
  /** Paths that begin with `prefix` answer the fault until it is lifted with undefined. */
  fail(prefix: string, fault: FrontFault | undefined): void
  close(): Promise<void>
}

/** One origin for pages and API, on loopback, in the place of the front server. Resolves once it listens. */
export async function openFront(options: FrontOptions): Promise<Front> {
  const faults = new Map<string, FrontFault>()
  const server = createServer((request, response) => {
    const fault = [...faults].find(([prefix]) => request.url?.startsWith(prefix) === true)?.[1]
    if (fault === undefined) serve(request, response, options)
    else if (fault === 'down') response.writeHead(502).end()
    else if (fault === 'internal')
      tellProblem(response, request.url ?? '/', new AppError({ code: 'internal', detail: 'It was told to fail.' }))
  })
  server.on('upgrade', (request, socket: Socket, head) => {
    const there = connect(options.apiPort, '127.0.0.1', () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`]
      for (const [name, value] of Object.entries(headersOf(request, options))) lines.push(`${name}: ${String(value)}`)
      there.write(`${lines.join('\r\n')}\r\n\r\n`)
      there.write(head)
      there.pipe(socket).pipe(there)
    })
    for (const end of [there, socket]) end.on('error', () => (there.destroy(), socket.destroy()))
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(options.port, '127.0.0.1', resolve)
  await promise
  return {
    fail(prefix, fault) {
      if (fault === undefined) faults.delete(prefix)
      else faults.set(prefix, fault)
    },
    close() {
      const { promise: closed, resolve: done } = Promise.withResolvers<void>()
      server.close(() => done())
      server.closeAllConnections()
      return closed
    },
  }
}

function headersOf(request: IncomingMessage, { sessionToken }: FrontOptions): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(request.headers)) if (value !== undefined) headers[name] = value
  const cookie = request.headers.cookie ?? ''
  if (!cookie.includes(`${sessionCookie}=`))
    headers['cookie'] = [cookie, `${sessionCookie}=${sessionToken}`].filter(Boolean).join('; ')
  headers['x-forwarded-for'] = '127.0.0.1'
  return headers
}

function tellProblem(response: ServerResponse, instance: string, error: AppError): void {
  const problem = toProblem(error, { instance, requestId: 'front' })
  response.writeHead(problem.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem))
}

function serve(request: IncomingMessage, response: ServerResponse, options: FrontOptions): void {
  const url = request.url ?? '/'
  const isApi = url.startsWith('/v1/')
  const reads = request.method === 'GET' || request.method === 'HEAD' || readsByPost.has(url)
  if (isApi && options.readOnly && !reads) {
    tellProblem(
      response,
      url,
      new AppError({
        code: 'not-supported',
        detail: 'This is a demo: it can be looked at, and nothing in it changes.',
        hint: 'Install Freehold to have a host of your own.',
      }),
    )
    return
  }
  const there = httpRequest(
    {
      host: '127.0.0.1',
      port: isApi ? options.apiPort : options.webPort,
      method: request.method,
      path: url,
      headers: isApi ? headersOf(request, options) : request.headers,
      // one that was kept open may have been closed just now by whoever listens there: that would be a 502 of nobody's fault
      agent: false,
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    },
  )
  there.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()))
  response.on('close', () => there.destroy())
  request.pipe(there)
}
