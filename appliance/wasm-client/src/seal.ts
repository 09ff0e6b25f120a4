import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256, type SenderContext } from '@hpke/core'
import canonicalize from 'canonicalize'
import { bufferOf, concat, fromBase64, sha256, toBase64, toHex, utf8, type Bytes } from './bytes.ts'

/** One public key of the host, as `GET /v1/keys` tells it. */
export interface HostKey {
  kid: string
  kty: 'EC'
  crv: 'P-256'
  x: string
  y: string
  /** RFC 3339. */
  expires_at: string
  /** Evidence of what holds this key, where the host has trusted hardware. */
  attestation?: Attestation
}

/** Evidence as the host tells it: the rules of its `format` say how it is checked. */
export interface Attestation {
  format: string
  /** Base64. */
  evidence: string
}

/** A value on its way in: i64 as decimal text; without a type that of the signature counts. */
export interface Argument {
  value: number | string
  type?: 'i32' | 'i64' | 'f32' | 'f64'
}

export interface RunRequest {
  function_name: string
  arguments: readonly Argument[]
  timeout_seconds: number
  gas_limit?: string
  client_id?: string
  /** The two results name bytes of memory, which come back as well. */
  result_region?: boolean
}

/** What goes over the wire. */
export interface SealedRequest {
  encrypted_wasm: string
  public_key: string
  key_id: string
  function_name: string
  arguments: readonly Argument[]
  timeout_seconds: number
  gas_limit?: string
  request_metadata: { client_id: string; version: string }
  issued_at: string
  nonce: string
  result_region?: boolean
}

/** A sealed request, and what opens its answer. Keep it: nobody else can. */
export interface Sealed {
  body: SealedRequest
  open(answer: SealedAnswer): Promise<OpenedAnswer>
}

export interface SealedAnswer {
  request_id: string
  encrypted_result: string
  result_commitment: string
  execution_summary: unknown
}

export interface OpenedAnswer {
  results: readonly { type: string; value: number | string }[]
  /** Bytes of memory that the results named, if asked for; base64. */
  region?: string
  /** With it the commitment can be checked: hex, 32 bytes. */
  salt: string
}

const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })
const version = '1'

/**
 * What evidence about a key has to be bound to: SHA-256 over the key's thumbprint (RFC 7638) and the text of its expiry. Evidence
 * with other report data is about another key, or about another time.
 */
export async function reportDataOf({ crv, kty, x, y, expires_at: expiry }: HostKey): Promise<Bytes> {
  return await sha256(concat(await sha256(utf8(JSON.stringify({ crv, kty, x, y }))), utf8(expiry)))
}

/** Seals a program and its call for the host. Every clear field is bound: a changed one does not open. */
export async function sealRequest(key: HostKey, wasm: Uint8Array, request: RunRequest, now = new Date()): Promise<Sealed> {
  const clear = {
    function_name: request.function_name,
    arguments: request.arguments,
    timeout_seconds: request.timeout_seconds,
    ...(request.gas_limit !== undefined && { gas_limit: request.gas_limit }),
    ...(request.result_region !== undefined && { result_region: request.result_region }),
    request_metadata: { client_id: request.client_id ?? 'freehold-wasm-client', version },
    issued_at: now.toISOString(),
    nonce: toHex(crypto.getRandomValues(new Uint8Array(16))),
  }
  const recipientPublicKey = await suite.kem.deserializePublicKey(
    bufferOf(concat(new Uint8Array([4]), fromBase64Url(key.x), fromBase64Url(key.y))),
  )
  const info = bufferOf(concat(utf8('wasm-hypervisor/v1 request'), new Uint8Array([0]), utf8(key.kid)))
  const context = await suite.createSenderContext({ recipientPublicKey, info })
  const sealed = await context.seal(bufferOf(wasm), bufferOf(canonical(clear)))
  const enc = new Uint8Array(context.enc)
  return {
    body: { encrypted_wasm: toBase64(new Uint8Array(sealed)), public_key: toBase64(enc), key_id: key.kid, ...clear },
    open: (answer) => openAnswer(context, enc, answer),
  }
}

/** Opens an answer. Throws if anything of it was changed, or if it answers another request. */
async function openAnswer(context: SenderContext, enc: Bytes, answer: SealedAnswer): Promise<OpenedAnswer> {
  const bytes = fromBase64(answer.encrypted_result)
  const [nonce, sealed] = [bytes.slice(0, 32), bytes.slice(32)]
  const secret = await context.export(bufferOf(utf8('wasm-hypervisor/v1 response')), 32)
  const material = await crypto.subtle.importKey(
    'raw',
    await hmac(concat(enc, nonce), new Uint8Array(secret)),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  const key = await crypto.subtle.importKey('raw', await expand(material, 'key', 32), 'AES-GCM', false, ['decrypt'])
  const additionalData = canonical({
    request_id: answer.request_id,
    result_commitment: answer.result_commitment,
    summary_sha256: toHex(await sha256(canonical(answer.execution_summary))),
  })
  const plain = await crypto.subtle.decrypt(
    { name: 'AES-GCM', iv: await expand(material, 'nonce', 12), additionalData },
    key,
    sealed,
  )
  return JSON.parse(new TextDecoder().decode(plain)) as OpenedAnswer
}

async function hmac(key: Bytes, data: Bytes): Promise<Bytes> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, data))
}

/** One block of HKDF-Expand (RFC 5869 §2.3): up to 32 bytes. */
async function expand(key: CryptoKey, info: string, length: number): Promise<Bytes> {
  const block = await crypto.subtle.sign('HMAC', key, concat(utf8(info), new Uint8Array([1])))
  return new Uint8Array(block).slice(0, length)
}

export function canonical(value: unknown): Bytes {
  return utf8(canonicalize(value) ?? '')
}

function fromBase64Url(text: string): Bytes {
  return fromBase64(
    text
      .replaceAll('-', '+')
      .replaceAll('_', '/')
      .padEnd(Math.ceil(text.length / 4) * 4, '='),
  )
}
