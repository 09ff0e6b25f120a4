import { createServer, request as httpsRequest } from 'node:https'
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { TlsIdentity } from '../../appliance/src/sign-in/tls-identity.ts'

/** A public TLS front before an API on a unix socket, as Caddy stands there. */
export interface TlsFront {
  /** From now on another key and certificate answer, as after a renewal. */
  swap(identity: TlsIdentity): void
  /** One call on a connection of its own, as a browser of `origin` makes it; with the certificate that answered. */
  call(method: string, path: string, body?: object): Promise<{ status: number; body: unknown; fingerprint: string }>
  /** Calls that went through. */
  readonly passed: number
  stop(): Promise<void>
}

/** Listens on loopback; `origin` is what the API calls itself. */
export async function createTlsFront(socketPath: string, origin: string, identity: TlsIdentity): Promise<TlsFront> {
  let passed = 0
  const front = createServer(
    { key: identity.keyPem, cert: identity.certificatePem, minVersion: 'TLSv1.3' },
    (request, response) => {
      passed += 1
      const { method, url, headers } = request
      const onward = httpRequest(
        { socketPath, method, path: url, headers: { ...headers, 'x-forwarded-for': request.socket.remoteAddress } },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        },
      )
      onward.on('error', () => response.destroy())
      request.pipe(onward)
    },
  )
  await new Promise<void>((done) => front.listen(0, '127.0.0.1', done))
  const { port } = front.address() as AddressInfo
  return {
    swap: ({ keyPem, certificatePem }) => front.setSecureContext({ key: keyPem, cert: certificatePem, minVersion: 'TLSv1.3' }),
    call(method, path, body) {
      const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<TlsFront['call']>>>()
      const payload = JSON.stringify(body ?? {})
      const unsafe = method !== 'GET'
      const request = httpsRequest(
        {
          host: '127.0.0.1',
          port,
          method,
          path,
          agent: false,
          // self-signed: the test compares what answered by itself
          rejectUnauthorized: false,
          headers: {
            host: new URL(origin).host,
            ...(unsafe && { origin, 'idempotency-key': `front-key-${(passed + 1).toString().padStart(8, '0')}` }),
            ...(unsafe && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          },
        },
        (answer) => {
          const { fingerprint256 } = (answer.socket as TLSSocket).getPeerCertificate()
          let text = ''
          answer.setEncoding('utf8')
          answer.on('data', (chunk: string) => (text += chunk))
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text), fingerprint: fingerprint256 }))
        },
      )
      request.on('error', reject)
      request.end(unsafe ? payload : undefined)
      return promise
    },
    get passed() {
      return passed
    },
    stop() {
      front.closeAllConnections()
      return new Promise((done) => front.close(() => done()))
    },
  }
}
