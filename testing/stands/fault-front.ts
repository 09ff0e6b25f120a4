import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ErrorCode } from '@freehold/appliance/errors/catalogue'
import { AppError } from '@freehold/appliance/errors/app-error'

/** What a path does instead of answering: hang, a plain 500, an error of the catalogue, fields refused, or an answer of our own. */
export type PlayedFault = 'hang' | 'crash' | { code: ErrorCode } | { refused: string | readonly string[] } | { answer: unknown }

/** A host whose API fails where a test says so: an origin of its own before the real one. */
export interface FaultFront {
  origin: string
  /** From now on requests whose path begins so do this; undefined: they pass again, and what hangs is cut. */
  play(prefix: string, fault: PlayedFault | undefined): void
  /** How often a fault was played. */
  struck(): number
  /** No fault any more. */
  clear(): void
  close(): Promise<void>
}

/** Stands before `target` on a free loopback port; the host behind it sees its own name and origin. */
export async function startFaultFront(target: string): Promise<FaultFront> {
  const upstream = new URL(target)
  const faults = new Map<string, PlayedFault>()
  const hanging = new Set<() => void>()
  let struck = 0
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    const fault = [...faults].find(([prefix]) => path.startsWith(prefix))?.[1]
    if (fault !== undefined) {
      struck += 1
      request.resume()
      if (fault === 'hang') {
        hanging.add(() => response.destroy())
        return
      }
      const [status, type, body] = answerOf(fault)
      response.writeHead(status, { 'content-type': type }).end(body)
      return
    }
    const headers = { ...request.headers, host: upstream.host }
    if (headers.origin !== undefined) headers.origin = upstream.origin
    const passed = httpRequest({ host: '127.0.0.1', port: upstream.port, method: request.method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    passed.on('error', () => response.destroy())
    response.on('close', () => passed.destroy())
    request.pipe(passed)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const cut = (): void => {
    for (const end of hanging) end()
    hanging.clear()
  }
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    play(prefix, fault) {
      if (fault === undefined) faults.delete(prefix)
      else faults.set(prefix, fault)
      cut()
    },
    struck: () => struck,
    clear() {
      faults.clear()
      cut()
    },
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

function answerOf(fault: Exclude<PlayedFault, 'hang'>): [status: number, type: string, body: string] {
  // what a proxy says of a daemon that broke: no problem document, no code
  if (fault === 'crash') return [500, 'text/html', '<h1>500</h1>']
  if ('answer' in fault) return [200, 'application/json', JSON.stringify(fault.answer)]
  const refused = 'refused' in fault ? [fault.refused].flat() : []
  const fields = refused.map((pointer) => ({ pointer, detail: 'So the host says of this field.' }))
  const code = 'refused' in fault ? 'bad-input' : fault.code
  const { title, detail, hint, retryable } = new AppError({ code, detail: 'So the host says.', fields })
  const status = 'refused' in fault ? 400 : 409
  const more = { instance: '/v1/played', requestId: 'req-7f3a', ...(fields.length > 0 && { errors: fields }) }
  const problem = { type: 'about:blank', title, status, detail, code, hint, retryable, ...more }
  return [status, 'application/problem+json', JSON.stringify(problem)]
}
