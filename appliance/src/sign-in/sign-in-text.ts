import { getAddress } from 'ethers'
import { installationId } from '../chain/installation.ts'

/** What a signature is for. A verifier accepts only its own act. */
export type Act = 'shell' | 'session' | 'console' | 'reinstall' | 'rollback' | `certificate:SHA256:${string}`

/** The VM that an act concerns; `hostKey` is the fingerprint as `ssh-keygen -l` prints it (`SHA256:…`). */
export interface SignInVm {
  contract: string
  tokenId: bigint
  generation: number
}

/** All that enters the signed text. Nothing here was parsed out of a text that arrived (PROTOCOL.md). */
export interface SignInFacts {
  act: Act
  /** Public origin of the host, `https://host[:port]`, without a path. */
  origin: string
  address: string
  chainId: number
  /** Absent only for the act `session`. */
  vm?: SignInVm
  /** Present for `shell` and `certificate:`. */
  hostKey?: string
  /** Present for `shell` and `certificate:`. */
  user?: string
  source: string
  /** Eight characters of Crockford's base32, with or without its dash. */
  code: string
  nonce: string
  /** `2026-11-21T14:27:00Z` */
  issuedAt: string
  expiresAt: string
  requestId: string
}

/** `ABCD-EFGH`, as people see it. */
export function displayCode(code: string): string {
  const plain = code.replaceAll('-', '').toUpperCase()
  return `${plain.slice(0, 4)}-${plain.slice(4)}`
}

function sentence(facts: SignInFacts): string {
  const end = 'This moves no money.'
  const from = `from ${facts.source}, code ${displayCode(facts.code)}.`
  if (facts.act === 'session') return `Sign in to this host ${from} ${end}`
  const vm = `${installationId(facts.chainId, required(facts.vm).contract)}-${required(facts.vm).tokenId}`
  switch (facts.act) {
    case 'shell':
      return `Sign in to VM ${vm} as ${required(facts.user)} ${from} ${end}`
    case 'console':
      return `Open the serial console of VM ${vm} ${from} ${end}`
    case 'reinstall':
      return `Reinstall VM ${vm} ${from} This erases its disk and moves no money.`
    case 'rollback':
      return `Roll VM ${vm} back to its snapshot ${from} This discards newer data and moves no money.`
    default:
      return `Issue an SSH certificate for VM ${vm} as ${required(facts.user)} ${from} ${end}`
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('a fact that this act needs is missing')
  return value
}

/**
 * The EIP-4361 text of an act, rebuilt from facts; equal byte for byte to the Rust one (testing/vectors/sign-in.json).
 * Throws TypeError if a fact that the act needs is missing. Source: ERC-4361, sign-in/PROTOCOL.md.
 */
export function signInText(facts: SignInFacts): string {
  const origin = new URL(facts.origin).origin
  const resources = [`freehold:act:${facts.act}`]
  if (facts.act !== 'session') {
    const vm = required(facts.vm)
    resources.push(`freehold:vm:${facts.chainId}:${vm.contract.toLowerCase()}:${vm.tokenId}:${vm.generation}`)
    if (facts.act === 'shell' || facts.act.startsWith('certificate:')) {
      resources.push(`freehold:host-key:${required(facts.hostKey)}`)
    }
  }
  resources.push(`freehold:request:${facts.requestId}`)
  return [
    `${new URL(origin).host} wants you to sign in with your Ethereum account:`,
    getAddress(facts.address),
    '',
    sentence(facts),
    '',
    `URI: ${origin}/s/${displayCode(facts.code).replace('-', '')}`,
    'Version: 1',
    `Chain ID: ${facts.chainId}`,
    `Nonce: ${facts.nonce}`,
    `Issued At: ${facts.issuedAt}`,
    `Expiration Time: ${facts.expiresAt}`,
    'Resources:',
    ...resources.map((r) => `- ${r}`),
  ].join('\n')
}
