// Writes sign-in.json: the texts and statements that TypeScript and Rust must both produce, byte for byte.
// Run after a deliberate change of the texts only: node testing/vectors/generate.ts
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { Wallet } from 'ethers'
import { installationId } from '@freehold/appliance/chain/installation'
import { signInText, type SignInFacts } from '@freehold/appliance/sign-in/sign-in-text'
import { signStatement, statementText, textSha256, type OwnershipStatement } from '@freehold/appliance/sign-in/statement'

const wallet = new Wallet(`0x${'11'.repeat(32)}`)
// PKCS#8 wrapping of a raw Ed25519 seed, RFC 8410 §7
const statementKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
})
const statementPublicKey = createPublicKey(statementKey).export({ format: 'jwk' })

const vm = { contract: '0x5FbDB2315678afecb367f032d93F642f64180aa3', tokenId: 42n, generation: 1 }
const base = {
  origin: 'https://host.example',
  address: wallet.address,
  chainId: 31337,
  source: '203.0.113.7',
  code: '7QF3-K2MD',
  nonce: '00112233445566778899aabbccddeeff',
  issuedAt: '2026-11-21T14:27:00Z',
  expiresAt: '2026-11-21T14:32:00Z',
  requestId: 'ffeeddccbbaa99887766554433221100',
}
const hostKey = 'SHA256:jB2eVNcqv9EqXc+YvLgIP0B6sNK6gqrl1LBhJfBLPMM'
const cases: Record<string, SignInFacts> = {
  shell: { ...base, act: 'shell', vm, hostKey, user: 'owner' },
  'shell from IPv6 on a port': { ...base, act: 'shell', vm, hostKey, user: 'owner', origin: 'http://localhost:8080', source: '2001:db8::17' },
  'shell, large id, third generation': {
    ...base,
    act: 'shell',
    vm: { ...vm, tokenId: 2n ** 200n, generation: 3 },
    hostKey,
    user: 'owner',
    chainId: 11155111,
  },
  session: { ...base, act: 'session' },
  console: { ...base, act: 'console', vm },
  reinstall: { ...base, act: 'reinstall', vm },
  rollback: { ...base, act: 'rollback', vm },
  certificate: { ...base, act: 'certificate:SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8', vm, hostKey, user: 'owner' },
}

const vectors = []
for (const [name, facts] of Object.entries(cases)) {
  const text = signInText(facts)
  const statement: OwnershipStatement = {
    act: facts.act,
    textSha256: textSha256(text),
    nonce: facts.nonce,
    signer: wallet.address.toLowerCase(),
    verifiedBy: 'ecdsa',
    holder: wallet.address.toLowerCase(),
    entitlement: 'active',
    activeUntil: 1_800_000_000,
    blockNumber: 123,
    blockHash: `0x${'ab'.repeat(32)}`,
  }
  vectors.push({
    name,
    facts: { ...facts, ...(facts.vm && { vm: { ...facts.vm, tokenId: facts.vm.tokenId.toString() } }) },
    installation: facts.vm ? installationId(facts.chainId, facts.vm.contract) : null,
    text,
    signature: await wallet.signMessage(text),
    statement: signStatement(statement, statementKey),
    statementText: statementText(statement),
  })
}
const file = {
  about: 'Golden vectors of PROTOCOL.md; written by testing/vectors/generate.ts',
  signer: wallet.address,
  statementKey: Buffer.from(statementPublicKey.x ?? '', 'base64url').toString('base64'),
  vectors,
}
writeFileSync(new URL('sign-in.json', import.meta.url), `${JSON.stringify(file, null, 2)}\n`)
process.stderr.write(`${vectors.length} vectors, sha256 ${createHash('sha256').update(JSON.stringify(file)).digest('hex').slice(0, 12)}\n`)
