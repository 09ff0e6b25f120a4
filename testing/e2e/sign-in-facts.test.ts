import assert from 'node:assert/strict'
import { test } from 'node:test'
import { factsOfPrompt, factsOfText } from './sign-in-facts.ts'

const facts = {
  vm: '4eff3c5b1f35-42',
  user: 'owner',
  source: '2001:db8::7',
  issued: '14:27',
  expires: '14:32',
  code: '7QF3-K2MD',
}
const prompt = `(owner@127.0.0.1)
Freehold sign-in: owner on 4eff3c5b1f35-42,
from 2001:db8::7
Code 7QF3-K2MD, issued 14:27, expires 14:32 UTC. Approve with your wallet at:
  https://host.example/s/7QF3K2MD
Press Enter when approved, or paste the reply code: `
const text = `host.example wants you to sign in with your Ethereum account:
0x0000000000000000000000000000000000000001

Sign in to VM 4eff3c5b1f35-42 as owner from 2001:db8::7, code 7QF3-K2MD. This moves no money.

URI: https://host.example/s/7QF3K2MD
Version: 1
Chain ID: 31337
Nonce: 0123456789abcdef
Issued At: 2026-11-21T14:27:00Z
Expiration Time: 2026-11-21T14:32:00Z`

test('denies a prompt and a text that lack one of the six facts', () => {
  for (const fact of Object.values(facts)) {
    assert.throws(() => factsOfPrompt(prompt.replaceAll(fact, '')), fact)
    assert.throws(() => factsOfText(text.replaceAll(fact, '')), fact)
  }
})
test('A1 finds the six facts in a wrapped prompt and in a signed text', () => {
  assert.deepEqual({ ...factsOfPrompt(prompt) }, facts)
  assert.deepEqual({ ...factsOfText(text) }, facts)
})
