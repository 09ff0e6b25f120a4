import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { z } from 'zod'
import { installationId } from '../chain/installation.ts'
import { signInText, type Act, type SignInFacts } from './sign-in-text.ts'
import { statementText, textSha256, type OwnershipStatement } from './statement.ts'
import { recoverSigner } from './wallet-verifier.ts'

const file = z
  .object({
    signer: z.string(),
    statementKey: z.string(),
    vectors: z.array(
      z.object({
        name: z.string(),
        facts: z
          .object({ vm: z.object({ contract: z.string(), tokenId: z.string(), generation: z.number() }).nullish() })
          .loose(),
        installation: z.string().nullish(),
        text: z.string(),
        signature: z.string(),
        statement: z.object({ signature: z.string(), textSha256: z.string() }).loose().nullish(),
        statementText: z.string().nullish(),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL('../../../testing/vectors/sign-in.json', import.meta.url), 'utf8')))

const statementKey = createPublicKey({
  format: 'jwk',
  key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(file.statementKey, 'base64').toString('base64url') },
})

function factsOf({ vm, ...rest }: (typeof file.vectors)[number]['facts']): SignInFacts {
  return { ...(rest as unknown as SignInFacts), ...(vm && { vm: { ...vm, tokenId: BigInt(vm.tokenId) } }) }
}

suite('golden vectors, shared with pam-web3', () => {
  for (const vector of file.vectors) {
    const facts = factsOf(vector.facts)
    test(`A1 A2 the text of ${vector.name}`, () => {
      assert.equal(signInText(facts), vector.text)
      assert.equal(recoverSigner(vector.text, vector.signature), file.signer.toLowerCase())
      if (facts.vm !== undefined) assert.equal(installationId(facts.chainId, facts.vm.contract), vector.installation)
    })
    const { statement: signed, statementText: lines } = vector
    if (!signed || !lines) continue
    test(`the statement of ${vector.name}`, () => {
      const statement = signed as unknown as OwnershipStatement
      assert.equal(statementText(statement), lines)
      assert.equal(textSha256(vector.text), signed.textSha256)
      assert.ok(verify(null, Buffer.from(lines), statementKey, Buffer.from(signed.signature, 'base64')))
    })
  }

  // L4: each fact is in the text, so that a signature for one is none for another
  const shell = factsOf((file.vectors[0] as (typeof file.vectors)[number]).facts)
  const vm = shell.vm as NonNullable<SignInFacts['vm']>
  const others: Record<string, Partial<SignInFacts>> = {
    host: { origin: 'https://other.example' },
    port: { origin: 'https://host.example:8443' },
    wallet: { address: '0x5FbDB2315678afecb367f032d93F642f64180aa3' },
    chain: { chainId: 1 },
    contract: { vm: { ...vm, contract: '0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A' } },
    VM: { vm: { ...vm, tokenId: 43n } },
    generation: { vm: { ...vm, generation: 2 } },
    'host key': { hostKey: `SHA256:${'A'.repeat(43)}` },
    user: { user: 'root' },
    source: { source: '198.51.100.9' },
    code: { code: '7QF3-K2ME' },
    nonce: { nonce: '1'.repeat(32) },
    'issue time': { issuedAt: '2026-11-21T14:27:01Z' },
    'end time': { expiresAt: '2026-11-21T14:32:01Z' },
    request: { requestId: '2'.repeat(32) },
    act: { act: 'certificate:SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' as Act },
  }
  for (const [name, changes] of Object.entries(others)) {
    test(`L1 L4 a signature is none for another ${name}`, () => {
      const signature = (file.vectors[0] as (typeof file.vectors)[number]).signature
      assert.notEqual(recoverSigner(signInText({ ...shell, ...changes }), signature), file.signer.toLowerCase())
    })
  }
})
