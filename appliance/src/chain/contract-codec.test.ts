import assert from 'node:assert/strict'
import { test } from 'node:test'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { ContractCodec } from './contract-codec.ts'

test('a question for subscriptions is what the ABI coder would write', () => {
  const codec = new ContractCodec(subscriptionsInterface, 'ab'.repeat(6))
  for (const ids of [[], [1n], [0n, 2n ** 48n - 1n, 2n ** 256n - 1n], Array.from({ length: 1000 }, (_, i) => BigInt(i))]) {
    assert.equal(codec.encodeSubscriptions(ids), subscriptionsInterface.encodeFunctionData('subscriptions', [ids]))
  }
})
