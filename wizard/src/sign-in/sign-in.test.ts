import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import type { LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { signInText } from '@freehold/appliance/sign-in/sign-in-text'
import { factsOf } from '@freehold/appliance/api/schemas/sign-in-facts'
import { plainCode } from './plain-code.ts'
import { readSignature } from './signature.ts'

test('A10 a pasted private key is named as one and never sent', () => {
  assert.deepEqual(readSignature(`0x${'ab'.repeat(32)}`), { wrong: 'key' })
  assert.deepEqual(readSignature('ab'.repeat(32)), { wrong: 'key' })
})

test('A8 a pasted signature is taken as wallets print it, anything else refused', () => {
  const signature = `0x${'1c'.repeat(65)}`
  assert.deepEqual(readSignature(` "${signature}"\n`), { signature })
  for (const text of ['', '0x', 'hello', '0xabc', `${signature}0`]) assert.deepEqual(readSignature(text), { wrong: 'form' })
})

test('codes are read as people type them', () => {
  assert.equal(plainCode('7qf3-k2md'), '7QF3K2MD')
  assert.equal(plainCode(' oIl0 1111'), '01101111')
})

interface Vector {
  facts: Record<string, unknown> & { vm?: { contract: string; tokenId: string; generation: number } }
  text: string
}

test('A1 the page rebuilds the text of the golden vectors from the facts that the host tells', () => {
  const { vectors } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../../testing/vectors/sign-in.json'), 'utf8')) as {
    vectors: Vector[]
  }
  assert.ok(vectors.length > 0)
  for (const { facts, text } of vectors) {
    const view = {
      contract: null,
      tokenId: null,
      generation: null,
      hostKey: null,
      user: null,
      ...facts,
      ...(facts.vm !== undefined && facts.vm),
    } as unknown as LoginRequestView
    assert.equal(signInText(factsOf(view, String(facts['address']))), text)
  }
})
