import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { ChainSnapshot } from '../chain/port.ts'
import { zeroAddress, type Plan, type Subscription } from '../chain/subscription.ts'
import { givingView } from '../subscriptions/views.ts'
import { decideWasm } from './wasm-subscriptions.ts'

const plan = { planId: 3, kind: 'wasm' } as Plan
const base = {
  tokenId: 1n,
  planId: 3,
  state: 'pending',
  boughtAt: 1000,
  activationDeadline: 2000,
  expiresAt: 0,
  graceEndsAt: 0,
} as Subscription

function decided(
  subscription: Partial<Subscription>,
  now: number,
  more: { delivers?: boolean; provisioner?: boolean; stale?: boolean } = {},
) {
  const block = { number: 9, hash: '0x', timestamp: now }
  const snapshot = { block, plans: [plan], subscriptions: new Map([[1n, { ...base, ...subscription }]]), owner: zeroAddress }
  const giving = givingView(snapshot as unknown as ChainSnapshot, { latest: block, stale: more.stale ?? false }, 1n)
  return decideWasm({ provisioner: more.provisioner ?? true, giving, delivers: more.delivers ?? true }).kind
}

suite('what is done with a subscription of kind WASM', () => {
  test('nothing where another host is the provisioner, for a plan of another kind, and where it is as it should be', () => {
    assert.equal(decided({}, 1100, { provisioner: false }), 'nothing')
    assert.equal(decided({ planId: 4 }, 1100), 'nothing')
    for (const now of [5000, 6500]) assert.equal(decided({ state: 'active', expiresAt: 6000, graceEndsAt: 7000 }, now), 'nothing')
  })

  test('a purchase is activated only while the service takes plans, and given back when its time runs out', () => {
    assert.equal(decided({}, 1100), 'activate')
    assert.equal(decided({}, 1100, { delivers: false }), 'nothing')
    assert.equal(decided({}, 1900), 'activate')
    assert.equal(decided({}, 1900, { delivers: false }), 'reject')
    assert.equal(decided({}, 2000), 'reject')
    assert.equal(decided({}, 2000, { stale: true }), 'nothing')
  })

  test('the end is looked at only once the grace is over, never on a stale chain', () => {
    const over = { state: 'active', expiresAt: 6000, graceEndsAt: 7000 } as const
    assert.equal(decided(over, 7000), 'look-at-the-end')
    assert.equal(decided(over, 7000, { stale: true }), 'nothing')
  })
})
