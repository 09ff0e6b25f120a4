import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { canonicalJson } from './canonical.ts'
import { expand, type HpkeContext } from './hpke.ts'

export const responseLabel = 'wasm-hypervisor/v1 response'
const nonceBytes = 32

/** What the answer's seal is bound to besides the request itself. */
export interface ResponseBinding {
  requestId: string
  resultCommitment: string
  summary: unknown
}

/** What the seal of the answer is derived from: only who sealed the request, or could open it, has it. 32 bytes. */
export function responseSecret(context: HpkeContext): Buffer {
  return context.exportSecret(Buffer.from(responseLabel), nonceBytes)
}

/**
 * Seals an answer for whoever sealed the request: nonce ‖ ciphertext ‖ tag. Keys come from the request's own context and a
 * fresh nonce, in the way of Oblivious HTTP (RFC 9458 §4.4), so no second key of the client is needed and no nonce repeats.
 */
export function sealResponse(secret: Uint8Array, enc: Uint8Array, plain: Uint8Array, binding: ResponseBinding): Buffer {
  const nonce = randomBytes(nonceBytes)
  const extracted = createHmac('sha256', Buffer.concat([enc, nonce]))
    .update(secret)
    .digest()
  const cipher = createCipheriv(
    'aes-256-gcm',
    expand(extracted, Buffer.from('key'), 32),
    expand(extracted, Buffer.from('nonce'), 12),
  )
  cipher.setAAD(responseAad(binding))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

export function responseAad({ requestId, resultCommitment, summary }: ResponseBinding): Buffer {
  const summaryHash = createHash('sha256').update(canonicalJson(summary)).digest('hex')
  return canonicalJson({ request_id: requestId, result_commitment: resultCommitment, summary_sha256: summaryHash })
}
