import { createHmac, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, randomBytes } from 'node:crypto'
import { WireGuardError } from './errors.ts'

declare const brand: unique symbol

/** 32 bytes as canonical base64 (44 characters). A Curve25519 point. */
export type PublicKey = string & { readonly [brand]: 'PublicKey' }
/** 32 bytes as canonical base64, clamped where made here. A secret: never in argv, log or error. */
export type PrivateKey = string & { readonly [brand]: 'PrivateKey' }
/** 32 bytes as canonical base64. A secret. */
export type PresharedKey = string & { readonly [brand]: 'PresharedKey' }

const rawLength = 32
/** DER before the raw key. Source: RFC 8410 §4 and §7, X25519. */
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex')

const basePoint = createPublicKey({
  key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), Buffer.from([9]), Buffer.alloc(31)]),
  format: 'der',
  type: 'spki',
})

/** Throws `bad-key` unless the text is canonical base64 of 32 bytes that are not all zero. The text itself is never repeated. */
export function parsePublicKey(text: string): PublicKey {
  return checked(text, 'public key') as PublicKey
}

/** As `parsePublicKey`. */
export function parsePrivateKey(text: string): PrivateKey {
  return checked(text, 'private key') as PrivateKey
}

/** As `parsePublicKey`. */
export function parsePresharedKey(text: string): PresharedKey {
  return checked(text, 'preshared key') as PresharedKey
}

/**
 * A new key pair. DER is asked for in the call: an export of the key objects afterwards has stopped whole processes
 * (Node 20.20.2, garbage collection against the key's own lock).
 */
export function generateKeyPair(): { privateKey: PrivateKey; publicKey: PublicKey } {
  const pair = generateKeyPairSync('x25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  })
  const raw = Buffer.from(pair.privateKey.subarray(-rawLength))
  return {
    privateKey: clamp(raw).toString('base64') as PrivateKey,
    publicKey: pair.publicKey.subarray(-rawLength).toString('base64') as PublicKey,
  }
}

export function generatePresharedKey(): PresharedKey {
  return randomBytes(rawLength).toString('base64') as PresharedKey
}

/** The public half; the same as `wg pubkey` prints, also for a key that is not clamped. */
export function publicKeyOf(privateKey: PrivateKey): PublicKey {
  const key = Buffer.concat([pkcs8Head, Buffer.from(privateKey, 'base64')])
  // the public key is the product with the base point 9 (RFC 7748 §6.1); `createPublicKey` of a key object has hung under load
  const shared = diffieHellman({ privateKey: createPrivateKey({ key, format: 'der', type: 'pkcs8' }), publicKey: basePoint })
  return shared.toString('base64') as PublicKey
}

const tagKey = randomBytes(32)

/** Tells equal secrets from different ones within this process, and tells nobody anything about them. */
export function secretTag(key: PresharedKey): string {
  return createHmac('sha256', tagKey).update(key).digest('base64url')
}

/** As the UAPI writes keys: 64 lower-case hex digits. */
export function keyToHex(key: PublicKey | PrivateKey | PresharedKey): string {
  return Buffer.from(key, 'base64').toString('hex')
}

/** From the UAPI's hex to base64. Throws `bad-key`; all-zero is allowed, as it stands for "none" there. */
export function hexToBase64(hex: string): string {
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new WireGuardError('bad-key', 'not 64 hex digits', 'Ask the device again.')
  return Buffer.from(hex, 'hex').toString('base64')
}

function checked(text: string, what: string): string {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== rawLength || bytes.toString('base64') !== text) {
    throw new WireGuardError(
      'bad-key',
      `a ${what} of ${text.length} characters is not canonical base64 of 32 bytes`,
      'Copy all 44 characters of the key.',
    )
  }
  if (bytes.every((byte) => byte === 0)) {
    throw new WireGuardError('bad-key', `the ${what} is all zero`, 'Make a new key: this one belongs to nobody.')
  }
  return text
}

/** Source: RFC 7748 §5. */
function clamp(raw: Buffer): Buffer {
  raw[0] = (raw[0] ?? 0) & 248
  raw[31] = ((raw[31] ?? 0) & 127) | 64
  return raw
}
