import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { entitlement, type EntitlementFacts } from './entitlement.ts'

const active: EntitlementFacts = { state: 'active', expiresAt: 1000, graceEndsAt: 2000, activationDeadline: 100 }

describe('entitlement', () => {
  const table: [string, EntitlementFacts, number, ReturnType<typeof entitlement>][] = [
    [
      'denies a pending one, however late it is',
      { ...active, state: 'pending' },
      5000,
      { kind: 'pending', activationDeadline: 100 },
    ],
    ['denies an ended one, however early it is', { ...active, state: 'ended' }, 1, { kind: 'ended' }],
    ['denies in the very second of expiry', active, 1000, { kind: 'grace', until: 2000 }],
    ['gives until the second before', active, 999, { kind: 'active', until: 1000 }],
    ['grace ends in its very second', active, 2000, { kind: 'graceOver', since: 2000 }],
    ['and lasts until the second before', active, 1999, { kind: 'grace', until: 2000 }],
    ['E12: the dates of the phases are those of the chain', active, 1500, { kind: 'grace', until: active.graceEndsAt }],
  ]
  for (const [name, facts, now, expected] of table) test(name, () => assert.deepEqual(entitlement(facts, now), expected))

  test('E4: the local expiry is the chain expiry, for every subscription and moment', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.nat(10_000), fc.nat(30_000), (expiresAt, grace, now) => {
        const e = entitlement({ state: 'active', expiresAt, graceEndsAt: expiresAt + grace, activationDeadline: 0 }, now)
        assert.equal(e.kind === 'active', now < expiresAt)
        if (e.kind === 'active') assert.equal(e.until, expiresAt)
        assert.equal(e.kind === 'graceOver', now >= expiresAt && now >= expiresAt + grace)
      }),
    )
  })
})
