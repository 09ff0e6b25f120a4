import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { AppError } from '../../errors/app-error.ts'

/** Where the API of a node or cluster is. */
export interface Endpoint {
  host: string
  port: number
}

/** What the server's certificate is held against. There is no third kind and no switch that turns it off. */
export type Pin =
  /** The cluster's own authority (`/etc/pve/pve-root-ca.pem` on a node), and the name that the leaf carries. */
  | { kind: 'authority'; pem: string; name: string }
  /** SHA-256 of the leaf, as `openssl x509 -fingerprint -sha256` prints it. */
  | { kind: 'fingerprint'; sha256: Fingerprint }

/** 32 bytes in upper-case hex, with colons. */
export type Fingerprint = string & { readonly brand: 'Fingerprint' }

const defaultPort = 8006

/**
 * Parses what a person gives as the address of the server: a host name or address, with or without `https://` and port.
 * Throws `bad-input` for http, a path, credentials, or another scheme, and says which.
 */
export function parseEndpoint(text: string): Endpoint {
  const refuse = (detail: string, hint: string) =>
    new AppError({ code: 'bad-input', detail, hint, fields: [{ pointer: '/hypervisor/url', detail }] })
  const trimmed = text.trim()
  if (/^http:/i.test(trimmed)) {
    throw refuse('The address begins with http:, and a token must not travel unencrypted.', 'Write it with https:.')
  }
  let url: URL
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `https://${trimmed}`)
  } catch {
    throw refuse('This is no address of a server.', `Write it like https://pve1.example.org:${defaultPort}.`)
  }
  if (url.protocol !== 'https:') throw refuse(`The address begins with ${url.protocol}`, 'Write it with https:.')
  if (url.username !== '' || url.password !== '') {
    throw refuse('The address contains a name or password.', 'Give the token apart from the address.')
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw refuse('The address has a path.', `Leave away what follows the port: https://${url.host}.`)
  }
  const port = url.port === '' ? explicitPort(trimmed) : Number(url.port)
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port }
}

/** `:443` is dropped by the URL parser as the default of https; ours is 8006. */
function explicitPort(text: string): number {
  return /:443\/?$/.test(text) ? 443 : defaultPort
}

/** Parses a fingerprint with or without colons, in any case, with or without `SHA256 Fingerprint=`. Throws `bad-input`. */
export function parseFingerprint(text: string): Fingerprint {
  const hex = text
    .trim()
    .replace(/^sha-?256( fingerprint)?[=:]\s*/i, '')
    .replaceAll(':', '')
    .toUpperCase()
  if (/^[0-9A-F]{64}$/.test(hex)) return (hex.match(/../g) ?? []).join(':') as Fingerprint
  const detail = /^[0-9A-F]{40}$/.test(hex)
    ? 'This is a SHA-1 fingerprint; SHA-256 is needed.'
    : 'A SHA-256 fingerprint is 64 hex digits.'
  const hint = 'On the node: openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem'
  throw new AppError({ code: 'bad-input', detail, hint, fields: [{ pointer: '/hypervisor/pin', detail }] })
}

/** A pin by authority. Throws `bad-input` if the text is no certificate of an authority. */
export function parseAuthority(pem: string, name: string): Pin {
  const refuse = (detail: string) =>
    new AppError({
      code: 'bad-input',
      detail,
      hint: 'Copy /etc/pve/pve-root-ca.pem of a node.',
      fields: [{ pointer: '/hypervisor/pin', detail }],
    })
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch {
    throw refuse('This is no certificate in PEM.')
  }
  if (!certificate.ca) throw refuse('This certificate is not that of an authority.')
  if (name === '') throw refuse('The name of the node is missing.')
  return { kind: 'authority', pem, name }
}

/** The name sent in the TLS handshake: an address must not be. Source: RFC 6066 §3. */
export function serverNameOf(endpoint: Endpoint, pin: Pin): string {
  if (pin.kind === 'authority') return isIP(pin.name) === 0 ? pin.name : ''
  return isIP(endpoint.host) === 0 ? endpoint.host : ''
}
