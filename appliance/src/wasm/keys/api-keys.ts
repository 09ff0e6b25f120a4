import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** What a key may do. */
export const scopes = ['execute', 'verify', 'metrics', 'admin'] as const
export type Scope = (typeof scopes)[number]

/** A key as it is kept: never the secret, but an HMAC of it under a pepper that the database does not hold. Unix seconds. */
export interface StoredApiKey {
  id: string
  mac: string
  scopes: readonly Scope[]
  /** Whose usage it counts for; lower-case address, null for the operator's own. */
  wallet: string | null
  label: string
  createdAt: number
  expiresAt: number | null
  revokedAt: number | null
  lastUsedAt: number | null
}

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const secretChars = 43
const checkChars = 6

/** A new key: `text` is shown once, `id` and `mac` are kept. */
export function newApiKey(pepper: Uint8Array): { text: string; id: string; mac: string } {
  const id = randomBytes(6).toString('hex')
  const secret = base62(BigInt(`0x${randomBytes(32).toString('hex')}`), secretChars)
  return { text: `whv_${id}_${secret}${checksum(id, secret)}`, id, mac: macOf(pepper, id, secret) }
}

/** The parts of a key's text; undefined if it was mistyped, which its checksum tells without a look into the store. */
export function parseApiKey(text: string): { id: string; secret: string } | undefined {
  const match = /^whv_([0-9a-f]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/.exec(text)
  const [, id, secret, check] = match ?? []
  if (id === undefined || secret === undefined || check !== checksum(id, secret)) return undefined
  return { id, secret }
}

/** Whether the secret is that of the stored key, in constant time. */
export function isSecretOf(stored: Pick<StoredApiKey, 'id' | 'mac'>, secret: string, pepper: Uint8Array): boolean {
  return timingSafeEqual(Buffer.from(stored.mac, 'hex'), Buffer.from(macOf(pepper, stored.id, secret), 'hex'))
}

/** Who pays, and whose cache and receipts they are: the wallet, or the key itself where it belongs to none. */
export function ownerOf(key: Pick<StoredApiKey, 'id' | 'wallet'>): string {
  return key.wallet ?? key.id
}

/** Whether a key counts at `now`. */
export function isLive(stored: Pick<StoredApiKey, 'expiresAt' | 'revokedAt'>, now: number): boolean {
  const { expiresAt, revokedAt } = stored
  return (expiresAt === null || now < expiresAt) && (revokedAt === null || now < revokedAt)
}

function macOf(pepper: Uint8Array, id: string, secret: string): string {
  return createHmac('sha256', pepper).update(id).update(':').update(secret).digest('hex')
}

function checksum(id: string, secret: string): string {
  return base62(BigInt(crc32(`${id}:${secret}`)), checkChars)
}

function base62(value: bigint, length: number): string {
  let [rest, text] = [value, '']
  while (text.length < length) {
    text = `${alphabet[Number(rest % 62n)]}${text}`
    rest /= 62n
  }
  return text
}
