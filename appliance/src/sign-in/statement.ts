import { createHash, sign, type KeyObject } from 'node:crypto'
import type { Act } from './sign-in-text.ts'

/** How the host found the signer to have signed. */
export type VerifiedBy = 'ecdsa' | 'erc1271' | 'erc6492'

/** What the host vouches for, at one block. Addresses and hashes in lower case; `activeUntil` in unix seconds. */
export interface OwnershipStatement {
  act: Act
  /** 64 hex digits: SHA-256 of the whole signed text. */
  textSha256: string
  nonce: string
  signer: string
  verifiedBy: VerifiedBy
  holder: string
  entitlement: 'pending' | 'active' | 'grace' | 'grace-over' | 'ended'
  activeUntil: number
  blockNumber: number
  blockHash: string
}

/** The statement as it travels: its fields and the base64 Ed25519 signature over `statementText`. */
export type SignedStatement = OwnershipStatement & { signature: string }

/** The lines that are signed; the guest renders the same from the fields (PROTOCOL.md). */
export function statementText(s: OwnershipStatement): string {
  return [
    'freehold-ownership-statement-v1',
    `act: ${s.act}`,
    `text-sha256: ${s.textSha256}`,
    `nonce: ${s.nonce}`,
    `signer: ${s.signer}`,
    `verified-by: ${s.verifiedBy}`,
    `holder: ${s.holder}`,
    `entitlement: ${s.entitlement}`,
    `active-until: ${s.activeUntil}`,
    `block-number: ${s.blockNumber}`,
    `block-hash: ${s.blockHash}`,
  ].join('\n')
}

/** SHA-256 of the signed text, in hex, as a statement names it. */
export function textSha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

/** Signs with the host's Ed25519 statement key. */
export function signStatement(statement: OwnershipStatement, key: KeyObject): SignedStatement {
  return { ...statement, signature: sign(null, Buffer.from(statementText(statement)), key).toString('base64') }
}
