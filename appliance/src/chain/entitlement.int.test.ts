import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { Contract } from 'ethers'
import fc from 'fast-check'
import { systemClock } from '../clock/clock.ts'
import { entitlement } from '../subscriptions/entitlement.ts'
import { createClients } from './any-client.ts'
import { createChainReader } from './chain-reader.ts'
import { day, startTestChain, type TestChain } from './test-chain.ts'

let chain: TestChain

before(async () => {
  chain = await startTestChain('0x00000000000000000000000000000000000000aa')
  await chain.send(chain.owner, 'setProvisioner', [chain.owner.address])
})
after(() => chain.close())

const phases = ['none', 'pending', 'active', 'grace', 'graceOver', 'ended']
const step = fc.oneof(
  fc.constant({ kind: 'activate' as const }),
  fc.constant({ kind: 'reject' as const }),
  fc.constant({ kind: 'refund' as const }),
  fc.constant({ kind: 'end' as const }),
  fc.constant({ kind: 'cancel' as const }),
  fc.constant({ kind: 'settle' as const }),
  fc.constant({ kind: 'transfer' as const }),
  fc.record({ kind: fc.constant('extend' as const), seconds: fc.integer({ min: 3600, max: 90 * day }) }),
  fc.record({
    kind: fc.constant('advance' as const),
    // a second before and after every bound that matters, and anything between
    seconds: fc.oneof(fc.constantFrom(1, 3599, 3600, 3601, day - 1, day, day + 1), fc.integer({ min: 1, max: 3 * day })),
  }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

async function play(id: bigint, action: Step): Promise<void> {
  switch (action.kind) {
    case 'advance':
      return chain.advance(action.seconds)
    case 'extend': {
      const price = (10n ** 15n * BigInt(action.seconds) + BigInt(day) - 1n) / BigInt(day)
      await chain.send(chain.bob, 'extend', [id, action.seconds, price], price).catch(() => undefined)
      return undefined
    }
    case 'transfer':
      await chain.send(chain.alice, 'transferFrom', [chain.alice.address, chain.bob.address, id]).catch(() => undefined)
      return undefined
    case 'cancel':
      await chain.send(chain.alice, 'cancel', [id]).catch(() => undefined)
      return undefined
    default:
      // whatever the contract refuses is part of the history too
      await chain.send(chain.owner, action.kind, [id]).catch(() => undefined)
      return undefined
  }
}

test('E4: entitlement and expiry are the contract’s own at every step of any history', { timeout: 180_000 }, async () => {
  const reader = createChainReader({
    clients: createClients([chain.url]),
    chainId: 31337,
    contract: chain.contract,
    confirmations: 1,
    clock: systemClock,
  })
  const contract = new Contract(chain.contract, subscriptionsInterface, chain.provider)
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.boolean(), async (history, activated) => {
      const id = await chain.buy(chain.alice, 3600)
      // half of the histories begin active: else most would end by the deadline
      const steps: Step[] = activated ? [{ kind: 'activate' }, ...history] : history
      for (const action of steps) {
        await play(id, action)
        const { latest } = await reader.heads()
        const local = await reader.subscription(id, latest)
        assert.ok(local !== undefined)
        const now = entitlement(local, latest.timestamp).kind
        const [phase, theirs] = await Promise.all([
          contract.getFunction('entitlement')(id, { blockTag: latest.number }) as Promise<bigint>,
          contract.getFunction('subscription')(id, { blockTag: latest.number }) as Promise<Record<string, unknown>>,
        ])
        assert.equal(now, phases[Number(phase)])
        for (const name of ['expiresAt', 'graceEndsAt', 'activatedAt', 'activationDeadline', 'streamFrom', 'streamTo'] as const) {
          assert.equal(BigInt(local[name]), theirs[name], name)
        }
        for (const name of ['paid', 'settled'] as const) assert.equal(local[name], theirs[name], name)
        assert.equal(local.holder, String(theirs['holder']).toLowerCase())
        assert.equal((await reader.snapshot('latest')).subscriptions.has(id), now !== 'ended')
        seen.add(now)
      }
    }),
    {
      numRuns: 40,
      // these two meet every phase, whatever the random ones do
      examples: [
        [[{ kind: 'advance', seconds: 1 }, { kind: 'reject' }], false],
        [[{ kind: 'advance', seconds: 3600 }, { kind: 'advance', seconds: day }, { kind: 'end' }], true],
      ],
    },
  )
  assert.deepEqual([...seen].toSorted(), phases.slice(1).toSorted(), 'every phase was met')
})
