import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { AppError } from '../../errors/app-error.ts'
import { serverNameOf, type Endpoint, type Fingerprint, type Pin } from './endpoint.ts'

/** How long a handshake may take. */
const handshakeMs = 10_000

/**
 * Connections to one server whose certificate was checked before anybody could write a byte: the socket is handed out after
 * the handshake, never before. A pin by fingerprint looks at the leaf once, by a connection that writes nothing, and then
 * trusts exactly that certificate.
 */
export class PinnedTls {
  readonly endpoint: Endpoint
  readonly pin: Pin
  #leaf: string | undefined

  constructor(endpoint: Endpoint, pin: Pin) {
    this.endpoint = endpoint
    this.pin = pin
  }

  /**
   * A connected, checked socket. Throws `certificate-mismatch` (says what was expected and what was seen) or rejects with the
   * error of the connection. Nothing was sent in either case.
   */
  async open(): Promise<TLSSocket> {
    const { host, port } = this.endpoint
    const options: ConnectionOptions = { host, port, servername: serverNameOf(this.endpoint, this.pin), minVersion: 'TLSv1.2' }
    if (this.pin.kind === 'authority') {
      const { pem, name } = this.pin
      return await handshake({ ...options, ca: pem, ...nameToCheck(name) }, (error, seen) => this.#seenMismatch(error, seen))
    }
    this.#leaf ??= await this.#probe()
    const expected = this.pin.sha256
    try {
      return await handshake(
        {
          ...options,
          ca: this.#leaf,
          allowPartialTrustChain: true,
          // the pin names one certificate: it is compared again here, and stands in place of the name
          checkServerIdentity: (_, { fingerprint256 }) =>
            fingerprint256 === expected ? undefined : new Error('another certificate'),
        },
        (error, seen) => this.#seenMismatch(error, seen),
      )
    } catch (error) {
      this.#leaf = undefined
      throw error
    }
  }

  /** The leaf in PEM, once its fingerprint is the pinned one. */
  async #probe(): Promise<string> {
    const seen = await peekCertificate(this.endpoint, serverNameOf(this.endpoint, this.pin))
    if (this.pin.kind === 'fingerprint' && seen.fingerprint256 !== this.pin.sha256) throw this.#mismatch(undefined, seen)
    return seen.toString()
  }

  /** Where the chain did not hold, Node does not tell the leaf: it is looked at again, by a connection that writes nothing. */
  async #seenMismatch(error: Error, seen: X509Certificate | undefined): Promise<AppError> {
    const servername = serverNameOf(this.endpoint, this.pin)
    return this.#mismatch(error, seen ?? (await peekCertificate(this.endpoint, servername).catch(() => undefined)))
  }

  #mismatch(error: Error | undefined, seen: X509Certificate | undefined): AppError {
    const { host, port } = this.endpoint
    const code = (error as NodeJS.ErrnoException | undefined)?.code ?? ''
    const shown =
      seen === undefined ? 'a certificate that does not fit' : `${seen.fingerprint256} (${seen.subjectAltName ?? seen.subject})`
    const expected =
      this.pin.kind === 'fingerprint' ? this.pin.sha256 : `a certificate for ${this.pin.name} of the pinned authority`
    const expired = code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID'
    return new AppError({
      code: 'certificate-mismatch',
      detail: expired
        ? `The certificate of ${host}:${port} is expired or not valid yet; seen: ${shown}. Nothing was sent.`
        : `Expected of ${host}:${port}: ${expected}; seen: ${shown}. Nothing was sent.`,
      hint: expired
        ? 'Renew it on the node with pvecm updatecerts --force and check the clocks; a pin by fingerprint must then be set anew.'
        : 'If the certificate was renewed, compare it on the node itself, then set the new pin. If not, somebody may be in between.',
      cause: error,
    })
  }
}

/** An address in place of a name is checked against the addresses in the certificate. */
function nameToCheck(name: string): ConnectionOptions {
  return { checkServerIdentity: (_, certificate) => identityError(name, new X509Certificate(certificate.raw)) }
}

function identityError(name: string, certificate: X509Certificate): Error | undefined {
  const fits = (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined
  return fits ? undefined : new Error(`the certificate is not for ${name}`)
}

/**
 * What the server shows, checked by nobody: for a pin by fingerprint and for showing a fingerprint to a person. This socket
 * never carries a byte of HTTP: it is ended as soon as the handshake is.
 */
export async function peekCertificate(endpoint: Endpoint, servername: string): Promise<X509Certificate> {
  const { host, port } = endpoint
  const { promise, resolve, reject } = Promise.withResolvers<X509Certificate>()
  const socket = connectTls({ host, port, servername, rejectUnauthorized: false, timeout: handshakeMs })
  socket.once('error', reject)
  socket.once('timeout', () => reject(timeout(endpoint)))
  socket.once('secureConnect', () => {
    const seen = socket.getPeerX509Certificate()
    if (seen === undefined) reject(new Error('the server shows no certificate'))
    else resolve(seen)
  })
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}

async function handshake(
  options: ConnectionOptions,
  refuse: (error: Error, seen: X509Certificate | undefined) => Promise<AppError>,
): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  let seen: X509Certificate | undefined
  const check = options.checkServerIdentity
  const socket = connectTls({
    ...options,
    timeout: handshakeMs,
    checkServerIdentity: (host, certificate) => {
      seen = new X509Certificate(certificate.raw)
      return check?.(host, certificate)
    },
  })
  let tcp = false
  socket.once('connect', () => (tcp = true))
  socket.once('timeout', () => socket.destroy(timeout({ host: String(options.host), port: Number(options.port) })))
  socket.once('error', (error: NodeJS.ErrnoException) => {
    socket.destroy()
    if (tcp && isVerification(error, seen)) void refuse(error, seen).then(reject)
    else reject(error)
  })
  socket.once('secureConnect', () => {
    socket.removeAllListeners('error')
    socket.removeAllListeners('timeout')
    socket.setTimeout(0)
    // headers and body are two writes: without this the second waits 40 ms for the other side's acknowledgement
    socket.setNoDelay(true)
    // whoever takes it adds a listener of its own; until then an error only closes it
    socket.on('error', () => socket.destroy())
    resolve(socket)
  })
  return await promise
}

/** Refusals of OpenSSL's verification carry its codes (`SELF_SIGNED_CERT_IN_CHAIN`); ours come after the leaf was seen. */
function isVerification(error: NodeJS.ErrnoException, seen: X509Certificate | undefined): boolean {
  return seen !== undefined || /CERT|SIGNATURE|ISSUER|CHAIN|PURPOSE|INVALID_CA/.test(error.code ?? '')
}

function timeout({ host, port }: Endpoint): Error {
  return Object.assign(new Error(`no TLS handshake with ${host}:${port} within ${handshakeMs} ms`), { code: 'ETIMEDOUT' })
}

/** The fingerprint of what the server shows, for a person to compare with what the node itself says. */
export function fingerprintOf(certificate: X509Certificate): Fingerprint {
  return certificate.fingerprint256 as Fingerprint
}
