import { createDecipheriv, createHmac, createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'

/**
 * The recipient's half of HPKE (RFC 9180): DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-GCM, base mode. By hand over
 * `node:crypto`, since it stands in the path of every call and the libraries over WebCrypto take eight times as long; held to
 * the vectors of appendix A.3 and to an independent library. What seals is a library (wasm-client).
 */
export interface HpkeContext {
  /** Opens message number `sequence`. Throws for anything that was not sealed for this context with this `aad`. */
  open(ciphertext: Uint8Array, aad: Uint8Array, sequence?: number): Buffer
  /** A secret that both ends can derive (RFC 9180 §5.3). */
  exportSecret(context: Uint8Array, length: number): Buffer
}

/** A P-256 key pair of the recipient. */
export interface RecipientKey {
  privateKey: KeyObject
  /** 65 bytes, uncompressed. */
  publicRaw: Buffer
}

export const encBytes = 65
const tagBytes = 16
const kemSuite = Buffer.concat([Buffer.from('KEM'), i2osp(0x0010, 2)])
const aeads = { 'aes-128-gcm': { id: 1, keyBytes: 16 }, 'aes-256-gcm': { id: 2, keyBytes: 32 } } as const

/** Sets up the context for an `enc`. Throws if that is no point of the curve. */
export function setupRecipient(
  key: RecipientKey,
  enc: Uint8Array,
  info: Uint8Array,
  aead: keyof typeof aeads = 'aes-256-gcm',
): HpkeContext {
  const { id, keyBytes } = aeads[aead]
  const suite = Buffer.concat([Buffer.from('HPKE'), i2osp(0x0010, 2), i2osp(0x0001, 2), i2osp(id, 2)])
  const shared = decapsulate(key, enc)
  const pskIdHash = labeledExtract(suite, Buffer.alloc(0), 'psk_id_hash', Buffer.alloc(0))
  const infoHash = labeledExtract(suite, Buffer.alloc(0), 'info_hash', info)
  const schedule = Buffer.concat([Buffer.from([0]), pskIdHash, infoHash])
  const secret = labeledExtract(suite, shared, 'secret', Buffer.alloc(0))
  const aeadKey = labeledExpand(suite, secret, 'key', schedule, keyBytes)
  const baseNonce = labeledExpand(suite, secret, 'base_nonce', schedule, 12)
  const exporter = labeledExpand(suite, secret, 'exp', schedule, 32)
  return {
    open(ciphertext, aad, sequence = 0) {
      if (ciphertext.length < tagBytes) throw new Error('shorter than a tag')
      const decipher = createDecipheriv(aead, aeadKey, nonceOf(baseNonce, sequence))
      decipher.setAAD(aad)
      decipher.setAuthTag(ciphertext.subarray(-tagBytes))
      const plain = decipher.update(ciphertext.subarray(0, -tagBytes))
      // checks the tag; this cipher gives all of its text before
      decipher.final()
      return plain
    },
    exportSecret: (context, length) => labeledExpand(suite, exporter, 'sec', context, length),
  }
}

/** The key objects of a recipient from its raw private key, 32 bytes. */
export function recipientKey(privateRaw: Uint8Array, publicRaw: Uint8Array): RecipientKey {
  const d = Buffer.from(privateRaw).toString('base64url')
  return { privateKey: createPrivateKey({ key: { ...jwkOf(publicRaw), d }, format: 'jwk' }), publicRaw: Buffer.from(publicRaw) }
}

function decapsulate(key: RecipientKey, enc: Uint8Array): Buffer {
  if (enc.length !== encBytes || enc[0] !== 4) throw new Error('not an uncompressed point')
  // the import refuses what is no point of the curve; infinity has no uncompressed form
  const publicKey = createPublicKey({ key: jwkOf(enc), format: 'jwk' })
  const shared = diffieHellman({ privateKey: key.privateKey, publicKey })
  const context = Buffer.concat([enc, key.publicRaw])
  const extracted = labeledExtract(kemSuite, Buffer.alloc(0), 'eae_prk', shared)
  return labeledExpand(kemSuite, extracted, 'shared_secret', context, 32)
}

function jwkOf(raw: Uint8Array): { kty: 'EC'; crv: 'P-256'; x: string; y: string } {
  const bytes = Buffer.from(raw)
  return { kty: 'EC', crv: 'P-256', x: bytes.subarray(1, 33).toString('base64url'), y: bytes.subarray(33).toString('base64url') }
}

/** RFC 9180 §4. */
function labeledExtract(suite: Buffer, salt: Buffer, label: string, ikm: Uint8Array): Buffer {
  return createHmac('sha256', salt).update('HPKE-v1').update(suite).update(label).update(ikm).digest()
}

/** RFC 9180 §4 over HKDF-Expand (RFC 5869 §2.3); `length` up to 8,160 bytes. */
function labeledExpand(suite: Buffer, secret: Buffer, label: string, info: Uint8Array, length: number): Buffer {
  const labeled = Buffer.concat([i2osp(length, 2), Buffer.from('HPKE-v1'), suite, Buffer.from(label), info])
  return expand(secret, labeled, length)
}

/** HKDF-Expand with SHA-256. Source: RFC 5869 §2.3. */
export function expand(secret: Uint8Array, info: Uint8Array, length: number): Buffer {
  const blocks: Buffer[] = []
  let block = Buffer.alloc(0)
  for (let n = 1; blocks.length * 32 < length; n += 1) {
    block = createHmac('sha256', secret)
      .update(block)
      .update(info)
      .update(Buffer.from([n]))
      .digest()
    blocks.push(block)
  }
  return Buffer.concat(blocks).subarray(0, length)
}

function nonceOf(base: Buffer, sequence: number): Buffer {
  const nonce = Buffer.from(base)
  // one message in our protocol; the vectors need a few hundred
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ sequence) >>> 0, 8)
  return nonce
}

function i2osp(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  bytes.writeUIntBE(value, 0, length)
  return bytes
}
