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

/** The log at a time, as the host signed it. `timestamp`: Unix seconds. */
export interface LogHead {
  size: number
  root: string
  timestamp: number
}

/** Throws unless the host with this key signed the receipt as it stands. */
export async function verifyReceipt(jws: string, hostKey: JWK): Promise<Receipt> {
  const { payload, protectedHeader } = await compactVerify(jws, await importJWK(hostKey, 'EdDSA'), { algorithms: ['EdDSA'] })
  if (protectedHeader.typ !== 'whv-receipt+jws') throw new Error('this is no receipt')
  return JSON.parse(new TextDecoder().decode(payload)) as Receipt
}

/** Throws unless the host with this key signed this head of its log. */
export async function verifyHead(jws: string, hostKey: JWK): Promise<LogHead> {
  const { payload, protectedHeader } = await compactVerify(jws, await importJWK(hostKey, 'EdDSA'), { algorithms: ['EdDSA'] })
  if (protectedHeader.typ !== 'whv-head+jws') throw new Error('this is no head of a log')
  return JSON.parse(new TextDecoder().decode(payload)) as LogHead
}

/** What the host gives to show that a receipt stands in its log. */
export interface LogPlace {
  proof: InclusionProof
  /** Signed text of the head that the proof leads to. */
  head: string
}

/**
 * Whether a receipt stands, at the place that it names itself, in the log whose head this host has signed. A root without a
 * signature proves nothing: anybody makes a log of one leaf. Never throws.
 */
export async function standsInLog(jws: string, { proof, head }: LogPlace, hostKey: JWK): Promise<boolean> {
  try {
    const [receipt, signed] = [await verifyReceipt(jws, hostKey), await verifyHead(head, hostKey)]
    if (proof.index !== receipt.index || proof.size !== signed.size || proof.root !== signed.root) return false
    return await isIncluded(jws, proof)
  } catch {
    return false
  }
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

/** The same by the scheme that a receipt names: salted, or the bare hash. A scheme that is not known opens nothing. */
export async function opensUnder(
  scheme: string,
  commitment: string,
  type: 'program' | 'arguments' | 'result',
  content: Uint8Array,
  salt: string,
): Promise<boolean> {
  if (scheme === 'hiding') return await opensCommitment(commitment, type, content, salt)
  return scheme === 'plain-sha256' && toHex(await sha256(content)) === commitment
}

/**
 * Whether a proof leads from the receipt to the root that it names (RFC 9162 §2.1.3.2). The root is taken as it stands: hold it to
 * a signed head first, as `standsInLog` does.
 */
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
