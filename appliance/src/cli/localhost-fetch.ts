import { request as httpRequest } from 'node:http'

/**
 * `fetch` that finds names under `localhost` on the loopback, as browsers do; resolvers of many systems know `localhost` alone
 * (RFC 6761 §6.3). All other addresses go to `fetch` itself.
 */
export const localhostFetch: typeof fetch = async (input, init) => {
  const url = new URL(input instanceof Request ? input.url : String(input))
  if (url.protocol !== 'http:' || !url.hostname.endsWith('.localhost')) return await fetch(input, init)
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  const body = typeof init?.body === 'string' ? init.body : undefined
  const request = httpRequest(
    {
      host: '127.0.0.1',
      port: url.port || 80,
      method: init?.method ?? 'GET',
      path: url.pathname + url.search,
      headers: {
        ...Object.fromEntries(new Headers(init?.headers)),
        host: url.host,
        ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
      },
      ...(init?.signal != null && { signal: init.signal }),
    },
    (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('error', reject)
      answer.on('end', () => {
        const headers = new Headers()
        for (const [name, value] of Object.entries(answer.headers)) if (typeof value === 'string') headers.set(name, value)
        const status = answer.statusCode ?? 502
        resolve(new Response(status === 204 ? null : Buffer.concat(parts), { status, headers }))
      })
    },
  )
  request.on('error', (cause) => reject(new TypeError('fetch failed', { cause })))
  request.end(body)
  return await promise
}
