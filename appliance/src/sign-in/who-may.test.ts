import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Subscription } from '../chain/subscription.ts'
import { holder, otherWallet, testSubscription } from './test-stand.ts'
import { whoMay, type RightsFacts } from './who-may.ts'

const now = 1_800_000_000
const mine = testSubscription(now)
const theirs: Subscription = { ...mine, holder: otherWallet.address.toLowerCase() as Subscription['holder'] }
const heads = { latest: { number: 9, hash: '0x', timestamp: now }, stale: false, standing: false }
const facts: RightsFacts = { giving: mine, latest: mine, heads, askedGeneration: 1, generation: 1 }

const denied: readonly [name: string, changes: Partial<RightsFacts>, code: string, detail: RegExp, ends: boolean][] = [
  ['L7 denies another wallet', { giving: theirs, latest: theirs }, 'wrong-wallet', /is held by 0x.* and 0x.* signed/, false],
  [
    'L7 denies a former holder, already at latest',
    { latest: theirs },
    'wrong-wallet',
    /has moved on to 0x.*holds it no longer/,
    false,
  ],
  ['denies a new holder who is not confirmed yet', { giving: theirs }, 'pass-not-confirmed', /too few blocks/, false],
  [
    'denies a holder of a pass that is not at the giving depth',
    { giving: undefined },
    'pass-not-confirmed',
    /too few blocks/,
    false,
  ],
  ['denies in grace', { latest: { ...mine, expiresAt: now } }, 'not-entitled', /ended on 2027-01-15 08:00 UTC.*kept until/, true],
  [
    'denies after the grace',
    { latest: { ...mine, expiresAt: now - 9, graceEndsAt: now } },
    'not-entitled',
    /may be deleted/,
    true,
  ],
  ['denies before the activation', { latest: { ...mine, state: 'pending' } }, 'not-entitled', /still being prepared/, true],
  ['denies an ended subscription', { latest: { ...mine, state: 'ended' } }, 'not-entitled', /has ended/, true],
  ['denies one that is gone', { latest: undefined }, 'not-entitled', /has ended/, true],
  ['T4 denies on a stale chain', { heads: { ...heads, stale: true } }, 'chain-stale', /lets nobody in/, true],
  ['denies for an older generation', { generation: 2 }, 'request-used', /reinstalled/, true],
  ['denies for a VM that is gone', { generation: undefined }, 'vm-unknown', /not here any more/, true],
]

suite('who may', () => {
  test('T3 a refusal knows whether it speaks to the holder, the former one included until that is settled', () => {
    const stranger = '0x3333333333333333333333333333333333333333'
    for (const [name, changes] of denied) {
      const { giving, latest } = { ...facts, ...changes }
      const known = [giving, latest].some((one) => one?.holder === mine.holder)
      for (const [signer, expected] of [
        [holder.address, known],
        [stranger, false],
      ] as const) {
        const verdict = whoMay(signer, { ...facts, ...changes })
        assert.ok(!verdict.may)
        assert.equal(verdict.known, expected, name)
      }
    }
  })

  for (const [name, changes, code, detail, ends] of denied) {
    test(name, () => {
      const verdict = whoMay(holder.address, { ...facts, ...changes })
      assert.ok(!verdict.may, 'it was let in')
      assert.equal(verdict.code, code)
      assert.match(verdict.detail, detail)
      assert.equal(verdict.ends, ends)
    })
  }
  test('the last second counts, the one after does not', () => {
    assert.equal(whoMay(holder.address, { ...facts, latest: { ...mine, expiresAt: now + 1 } }).may, true)
    assert.equal(whoMay(holder.address, { ...facts, latest: { ...mine, expiresAt: now } }).may, false)
  })
  test('the holder at both depths of an active subscription may', () => {
    assert.equal(whoMay(holder.address, facts).may, true)
  })
  test('a chain that stands still by two nodes lets its holder in', () => {
    assert.equal(whoMay(holder.address, { ...facts, heads: { ...heads, stale: true, standing: true } }).may, true)
  })
})
