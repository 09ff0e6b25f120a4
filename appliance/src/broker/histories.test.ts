import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { overlap } from 'wireguard-ts/address'
import { AppError } from '../errors/app-error.ts'
import type { LeaseRecord } from './leases/record.ts'
import { stateOf } from './leases/state.ts'
import { day, keyOf, testBook, type TestBook } from './test-broker.ts'

const hosts = ['a', 'b', 'c', 'd', 'e', 'f'] as const

type Step =
  | {
      kind: 'ask'
      verb: 'request' | 'renew' | 'release'
      host: string
      key: string
      length: 64 | 56 | undefined
      paid: boolean
    }
  | { kind: 'later'; hours: number }
  | { kind: 'tick' }
  | { kind: 'suspend' | 'resume' | 'operator'; index: number }
  | { kind: 'kill' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      verb: fc.constantFrom('request' as const, 'request' as const, 'renew' as const, 'release' as const),
      host: fc.constantFrom(...hosts),
      key: fc.constantFrom(...hosts, 'a2', 'b2'),
      length: fc.constantFrom(undefined, undefined, 64 as const, 56 as const),
      paid: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('later' as const), hours: fc.integer({ min: 1, max: 24 * 20 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('tick' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('suspend' as const, 'resume' as const, 'operator' as const), index: fc.nat(5) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const) }) },
)

/** What holds after every step of every history. */
function check(t: TestBook): void {
  const now = t.clock.now()
  const all = t.book.leases.all()
  const held = all.filter((lease) => ['quarantined'].includes(stateOf(lease, now)) || lease.endedAt === undefined)
  const others = (lease: LeaseRecord): LeaseRecord[] => held.filter((other) => other.identity !== lease.identity)
  for (const lease of held) {
    for (const other of others(lease)) {
      assert.ok(!overlap(lease.prefix, other.prefix), `${lease.prefix} is held twice`)
      assert.notEqual(lease.peerKey, other.peerKey, 'a key is held twice')
    }
    assert.ok(lease.from < lease.until && lease.until <= lease.graceUntil)
  }
  const live = all.filter((lease) => lease.endedAt === undefined)
  assert.equal(new Set(live.map((lease) => lease.identity)).size, live.length, 'one live lease per installation')
  // the ledger alone tells which leases there are and which of them live
  const lines = t.book.leases.ledger(0, 100_000)
  const granted = new Set(lines.filter((line) => line.event === 'granted').map((line) => line.lease))
  for (const line of lines) if (line.event === 'ended') granted.delete(line.lease)
  assert.deepEqual([...granted].toSorted(), live.map((lease) => lease.id).toSorted())
  for (const lease of all) {
    if (lease.endedAt === lease.from) continue
    assert.equal(t.book.leases.heldAt(lease.prefix, lease.from)?.lease.identity, lease.identity)
  }
}

it('every history: nobody holds what another holds, nothing that runs ends early, the ledger tells all', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      let t = testBook({ pool: '2001:db8:b00::/55' })
      try {
        for (const one of steps) {
          const live = t.book.leases.live()
          try {
            if (one.kind === 'later') t.clock.seconds += one.hours * 3600
            else if (one.kind === 'kill') t = t.reopen()
            else if (one.kind === 'ask') {
              const fields = {
                verb: one.verb,
                wireguardKey: keyOf(one.key),
                ...(one.length === undefined ? {} : { prefixLength: one.length }),
              }
              t.book.handle(t.ask(one.host, fields, { paid: one.paid }), t.clock.now())
            } else if (one.kind === 'tick') {
              const ended = t.book.endDue(t.clock.now())
              for (const lease of ended) {
                assert.ok(t.clock.now() >= lease.graceUntil || t.clock.now() >= lease.from + 7 * day, 'ended early')
              }
            } else {
              const lease = live[one.index % Math.max(1, live.length)]
              if (lease === undefined) continue
              if (one.kind === 'suspend') t.book.suspend(lease.id, 'x', t.clock.now())
              else if (one.kind === 'resume') t.book.resume(lease.id, t.clock.now())
              else t.book.release(lease.id, 'x', t.clock.now())
            }
          } catch (error) {
            // a refusal is an answer; anything else is a fault
            if (!(error instanceof AppError)) throw error
          }
          check(t)
        }
        await t.broker.start()
        assert.deepEqual(
          t.dataPath.standing.map((lease) => lease.id).toSorted(),
          t.book.leases
            .live()
            .map((lease) => lease.id)
            .toSorted(),
        )
      } finally {
        t.close()
      }
    }),
    { numRuns: process.env['FREEHOLD_ALL'] === '1' ? 300 : 25 },
  )
})
