import { createServer, request as httpRequest } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

/** A port of loopback in front of an API's socket, as Caddy stands there: names the client's address and passes all else on. */
export interface Front {
  /** The origin that the API behind it must be made for. */
  origin: string
  /** Where requests go, once it is known. */
  behind(socketPath: string): void
  /** Whose address the next requests have. */
  address: string
  close(): Promise<void>
}

/** Opens a front on a free port; everybody comes from loopback until `address` says otherwise. */
export async function openFront(): Promise<Front> {
  let socketPath = ''
  const front = createServer((incoming, response) => {
    const { method, url, headers } = incoming
    const outgoing = httpRequest(
      { socketPath, method, path: url, headers: { ...headers, 'x-forwarded-for': result.address } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      },
    )
    outgoing.on('error', () => response.destroy())
    response.on('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  const result: Front = {
    origin: `http://localhost:${(front.address() as AddressInfo).port}`,
    address: '127.0.0.1',
    behind: (path) => void (socketPath = path),
    async close() {
      front.closeAllConnections()
      await new Promise((done) => front.close(done))
    },
  }
  return result
}
