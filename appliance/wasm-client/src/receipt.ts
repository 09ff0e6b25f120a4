import { compactVerify, importJWK, type JWK } from 'jose'
import { concat, equal, fromHex, sha256, toHex, utf8, type Bytes } from './bytes.ts'

/** What a run was and cost, as the host signed it. Times in Unix milliseconds, gas as decimal text. */
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
  prev_hash: string
  index: number
}

/** A place in the log: hashes in hex. */
export interface InclusionProof {
  index: number
  size: number
  hashes: readonly string[]
  root: string
}

/** Throws unless the host with this key signed the receipt as it stands. */
export async function verifyReceipt(jws: string, hostKey: JWK): Promise<Receipt> {
  const { payload, protectedHeader } = await compactVerify(jws, await importJWK(hostKey, 'EdDSA'), { algorithms: ['EdDSA'] })
  if (protectedHeader.typ !== 'whv-receipt+jws') throw new Error('this is no receipt')
  return JSON.parse(new TextDecoder().decode(payload)) as Receipt
}

/** Whether a commitment is that of this content: what the host committed to is what you sent or got. */
export async function opensCommitment(
  commitment: string,
  type: 'program' | 'arguments' | 'result' | 'receipt',
  content: Uint8Array,
  salt: string,
): Promise<boolean> {
  const bytes = concat(utf8(`whv/commit/v1/${type}`), new Uint8Array([0]), fromHex(salt), content)
  return toHex(await sha256(bytes)) === commitment
}

/** Whether the receipt stands in the log with this root (RFC 9162 §2.1.3.2). */
export async function isIncluded(jws: string, proof: InclusionProof): Promise<boolean> {
  if (proof.index >= proof.size) return false
  let [fn, sn] = [proof.index, proof.size - 1]
  let hash: Bytes = await sha256(concat(new Uint8Array([0]), utf8(jws)))
  for (const text of proof.hashes) {
    if (sn === 0) return false
    const other = fromHex(text)
    const right = fn % 2 === 1 || fn === sn
    hash = await sha256(concat(new Uint8Array([1]), ...(right ? [other, hash] : [hash, other])))
    while (right && fn % 2 === 0 && fn !== 0) {
      fn = Math.floor(fn / 2)
      sn = Math.floor(sn / 2)
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 && equal(hash, fromHex(proof.root))
}
