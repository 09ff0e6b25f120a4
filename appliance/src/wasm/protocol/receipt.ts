import { compactVerify, exportJWK, importJWK, type CryptoKey, type JWK } from 'jose'
import { createHash, sign, type KeyObject } from 'node:crypto'
import { canonicalJson } from './canonical.ts'

/** What a run was and cost, signed by the host. Failures get one too. Times in Unix milliseconds, gas as decimal text. */
export interface Receipt {
  request_id: string
  kid: string
  program: string
  arguments: string
  result: string | null
  commitment_scheme: string
  gas_used: string
  gas_exact: boolean
  gas_schedule: string
  engine: string
  status: string
  started_at: number
  ended_at: number
  /** Leaf hash of the receipt before: SHA-256 of a zero byte and its signed text, in hex; 64 zeros for the first. */
  prev_hash: string
  /** Place in the log, from 0. */
  index: number
}

export const receiptType = 'whv-receipt+jws'
export const headType = 'whv-head+jws'

/**
 * Compact JWS (RFC 7515 §3.1) with Ed25519 (RFC 8037) over canonical JSON. By hand, since it stands in the path of every call: the
 * library signs through WebCrypto, whose round over the thread pool takes three times what the signature does. Whoever checks
 * uses the library.
 */
export function signCompact(typ: string, payload: unknown, key: KeyObject, keyId: string): string {
  const head = canonicalJson({ alg: 'EdDSA', typ, kid: keyId }).toString('base64url')
  const text = `${head}.${canonicalJson(payload).toString('base64url')}`
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`
}

export function signReceipt(receipt: Receipt, key: KeyObject, keyId: string): string {
  return signCompact(receiptType, receipt, key, keyId)
}

/** The root of the log at a time. `timestamp`: Unix seconds. */
export function signHead(head: { size: number; root: string; timestamp: number }, key: KeyObject, keyId: string): string {
  return signCompact(headType, head, key, keyId)
}

/** Throws unless the text is a receipt under this key. */
export async function verifyReceipt(jws: string, key: KeyObject | CryptoKey | JWK): Promise<Receipt> {
  const imported = 'kty' in key ? await importJWK(key, 'EdDSA') : key
  const { payload, protectedHeader } = await compactVerify(jws, imported, { algorithms: ['EdDSA'] })
  if (protectedHeader.typ !== receiptType) throw new Error('this is no receipt')
  return JSON.parse(Buffer.from(payload).toString('utf8')) as Receipt
}

/** What the log holds of a receipt: the hash of its signed text. */
export function receiptHash(jws: string): string {
  return createHash('sha256').update(jws).digest('hex')
}

export async function publicJwk(key: KeyObject): Promise<JWK> {
  return await exportJWK(key)
}
