import { createHash } from 'node:crypto'
import { Agent, request as httpsRequest } from 'node:https'
import type { TLSSocket } from 'node:tls'

/** What came back to a guest. */
export interface GuestAnswer {
  status: number
  body: Record<string, unknown>
  protocol: string | null
}

/** A guest of the tests: speaks the guest API over TLS and pins the key as pam-web3 does. */
export class TestGuest {
  readonly #port: number
  readonly #spkiSha256: string
  readonly #agent = new Agent({ keepAlive: true, maxCachedSessions: 0 })
  bearer: string | undefined
  /** Local address to dial from. */
  from = '127.0.0.1'

  constructor(port: number, spkiSha256: string) {
    this.#port = port
    this.#spkiSha256 = spkiSha256
  }

  call(method: string, path: string, body?: unknown, options: { raw?: Buffer; signal?: AbortSignal } = {}): Promise<GuestAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<GuestAnswer>()
    const payload = options.raw ?? (body === undefined ? undefined : Buffer.from(JSON.stringify(body)))
    let protocol: string | null = null
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        localAddress: this.from,
        port: this.#port,
        method,
        path,
        rejectUnauthorized: false,
        agent: this.#agent,
        ...(options.signal !== undefined && { signal: options.signal }),
        headers: {
          ...(payload !== undefined && { 'content-type': 'application/json', 'content-length': payload.length }),
          ...(this.bearer !== undefined && { authorization: `Bearer ${this.bearer}` }),
        },
      },
      (response) => {
        protocol = (response.socket as TLSSocket).getProtocol()
        const spki = (response.socket as TLSSocket).getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' })
        if (spki === undefined || createHash('sha256').update(spki).digest('base64') !== this.#spkiSha256) {
          return void request.destroy(new Error('another key'))
        }
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text || '{}'), protocol }))
      },
    )
    request.on('error', reject)
    request.end(payload)
    return promise
  }

  close(): void {
    this.#agent.destroy()
  }
}
