import type { SignInFacts } from '../../appliance/src/sign-in/sign-in-text.ts'
import { stranger, vm } from './lying-host.ts'

/** A wallet's address as statements write it. */
export const lower = (wallet: { address: string }): string => wallet.address.toLowerCase()

/** Every fact of the text, as another login would have it. */
export const elsewhere: [string, string, Partial<SignInFacts>][] = [
  ['VM', "another VM's", { vm: { ...vm, tokenId: 43n } }],
  ['generation', 'the former generation', { vm: { ...vm, generation: 2 } }],
  ['contract', 'another contract of the same chain', { vm: { ...vm, contract: `0x${'ab'.repeat(20)}` } }],
  ['chain', 'the same contract on another chain', { chainId: 1 }],
  ['act', 'a web session', { act: 'session' }],
  ['act', 'the serial console', { act: 'console' }],
  ['act', 'a reinstall', { act: 'reinstall' }],
  ['act', 'a rollback', { act: 'rollback' }],
  ['act', 'a certificate', { act: `certificate:SHA256:${'a'.repeat(43)}` }],
  ['user', 'another login name', { user: 'root' }],
  ['host key', 'a VM with another host key', { hostKey: `SHA256:${'a'.repeat(43)}` }],
  ['source', 'another address', { source: '203.0.113.9' }],
  ['time', 'an earlier issue', { issuedAt: '2020-01-01T00:00:00Z' }],
  ['time', 'a later end', { expiresAt: '2099-01-01T00:00:00Z' }],
  ['nonce', 'another terminal', { nonce: 'ff'.repeat(16) }],
  ['code', 'another code', { code: '0000-0000' }],
  ['request', 'another request', { requestId: 'ff'.repeat(16) }],
  ['origin', 'a page elsewhere', { origin: 'https://evil.example' }],
  ['signer', "another wallet's text", { address: stranger.address }],
]

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
/** The twin of a signature: good by the curve, refused by EIP-2. */
export function highS(signature: string): string {
  const s = order - BigInt(`0x${signature.slice(66, 130)}`)
  return `${signature.slice(0, 66)}${s.toString(16).padStart(64, '0')}${signature.endsWith('1b') ? '1c' : '1b'}`
}

/** Shapes of a signature that must not recover anybody. */
export const signatures: [string, (honest: string) => string][] = [
  ['of 0 bytes', () => '0x'],
  ['of 64 bytes', (s) => s.slice(0, -2)],
  ['of 66 bytes', (s) => `${s}00`],
  ['of 10,000 bytes', () => `0x${'ab'.repeat(10_000)}`],
  ['without 0x', (s) => s.slice(2)],
  ['that is no hex', (s) => `0xzz${s.slice(4)}`],
  ['with a high s', highS],
  ['with v 0', (s) => `${s.slice(0, -2)}00`],
  ['with v 1', (s) => `${s.slice(0, -2)}01`],
  ['with v 29', (s) => `${s.slice(0, -2)}1d`],
  ['with r 0', (s) => `0x${'00'.repeat(32)}${s.slice(66)}`],
  ['with s 0', (s) => `${s.slice(0, 66)}${'00'.repeat(32)}${s.slice(130)}`],
  ['with r at the order of the curve', (s) => `0x${order.toString(16)}${s.slice(66)}`],
  ['with a line break', (s) => `${s}\n`],
]

/** Fields of the statement, changed after the host signed it. */
export const forged: [string, unknown][] = [
  ['act', 'session'],
  ['textSha256', 'ff'.repeat(32)],
  ['nonce', 'ff'.repeat(16)],
  ['signer', lower(stranger)],
  ['verifiedBy', 'erc1271'],
  ['holder', lower(stranger)],
  ['entitlement', 'grace'],
  ['activeUntil', 1_900_000_001],
  ['blockNumber', 124],
  ['blockHash', `0x${'ac'.repeat(32)}`],
  ['signature', Buffer.alloc(64).toString('base64')],
]
