import { createHash, generateKeyPairSync } from 'node:crypto'
import { request } from 'node:https'
import { createServer, type Server } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { z } from 'zod'

const seedSchema = z.looseObject({ endpoint: z.string(), spkiSha256: z.string(), token: z.string() })

/** An SSH public key line of a fresh Ed25519 key (RFC 8709 §4: the string `ssh-ed25519` and the 32 bytes, length-prefixed). */
function freshHostKey(): string {
  const { publicKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const part = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  return `ssh-ed25519 ${Buffer.concat([part(Buffer.from('ssh-ed25519')), part(raw)]).toString('base64')} fake-guest`
}

function report(seed: z.output<typeof seedSchema>, hostKey: string, hostPort: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const [host = '127.0.0.1', port = '7443'] = hostPort.split(':')
  const body = JSON.stringify({ token: seed.token, hostKeys: [hostKey] })
  // pinned by key as a real guest does it; no CA takes part
  const call = request(
    {
      host,
      port,
      method: 'POST',
      path: '/guest/v1/report',
      rejectUnauthorized: false,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      timeout: 10_000,
    },
    (response) => {
      response.resume()
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`report answered ${response.statusCode}`)),
      )
    },
  )
  call.on('socket', (socket) => {
    socket.on('secureConnect', () => {
      const certificate = (socket as TLSSocket).getPeerX509Certificate()
      const spki = certificate?.publicKey.export({ type: 'spki', format: 'der' }) ?? Buffer.alloc(0)
      if (createHash('sha256').update(spki).digest('base64') !== seed.spkiSha256)
        call.destroy(new Error('another key answers at the login endpoint'))
    })
  })
  call.on('error', reject)
  call.end(body)
  return promise
}

/**
 * Plays the guests of the fake hypervisor: reports host keys to the login endpoint and greets on the VM's port as an sshd
 * would. Nobody can log in there; it is for developing pages and daemon without machines.
 */
export class FakeGuests {
  readonly #servers = new Map<string, Server>()
  readonly #hostKeys = new Map<string, string>()
  readonly #loginEndpoint: string

  constructor(loginEndpoint: string) {
    this.#loginEndpoint = loginEndpoint
  }

  /** A VM was started: it greets, and reports until it is heard. */
  async start(id: string, sshPort: number | null, freeholdJson: string): Promise<void> {
    this.stop(id)
    if (sshPort !== null) {
      const server = createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-freehold_fake_guest\r\n'))
      server.on('error', () => undefined)
      server.listen(sshPort, '127.0.0.1')
      this.#servers.set(id, server)
    }
    const seed = seedSchema.parse(JSON.parse(freeholdJson))
    const hostKey = this.#hostKeys.get(seed.token) ?? freshHostKey()
    this.#hostKeys.set(seed.token, hostKey)
    for (let attempt = 0; attempt < 20; attempt++) {
      try {
        return await report(seed, hostKey, this.#loginEndpoint)
      } catch {
        const { promise, resolve } = Promise.withResolvers<void>()
        setTimeout(resolve, 500)
        await promise
      }
    }
  }

  stop(id: string): void {
    this.#servers.get(id)?.close()
    this.#servers.delete(id)
  }

  stopAll(): void {
    for (const id of this.#servers.keys()) this.stop(id)
  }
}
