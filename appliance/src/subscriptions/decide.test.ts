import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Plan, Subscription } from '../chain/subscription.ts'
import { decide, type Action, type ActualVm, type DecisionFacts, type VmNotes } from './decide.ts'
import { entitlement } from './entitlement.ts'
import type { GivingView, TakingView } from './views.ts'

const t0 = 1_000_000
const hour = 3600
const day = 86_400
const buyer = '0xa1' as const
const origin = { buyer, boughtBlock: 7 }
const vmPlan = { planId: 0, kind: 'vm' } as Plan
const wasmPlan = { planId: 1, kind: 'wasm' } as Plan
const pendingSub = whole({
  state: 'pending',
  buyer,
  boughtBlock: 7,
  boughtAt: t0,
  activationDeadline: t0 + hour,
  expiresAt: 0,
  graceEndsAt: 0,
})
const activeSub = {
  ...pendingSub,
  state: 'active',
  activatedAt: t0,
  expiresAt: t0 + day,
  graceEndsAt: t0 + 3 * day,
} as Subscription

const running: ActualVm = { kind: 'present', power: 'running', autostart: true, origin, activating: true }
const stopped: ActualVm = { ...running, power: 'stopped', autostart: false }
const halfMade: ActualVm = { ...stopped, activating: false }
const absent: ActualVm = { kind: 'absent' }
const unknown: ActualVm = { kind: 'unknown' }
const notes: VmNotes = {
  origin,
  activateIntentAt: t0,
  graceOverSeenSince: null,
  graceOverFor: null,
  destroyedAt: null,
  keptStopped: false,
}
const fresh: VmNotes = { ...notes, activateIntentAt: null }

/** The rule looks at nothing else of a subscription. */
function whole(part: Partial<Subscription>): Subscription {
  return part as Subscription
}

function giving(subscription: Subscription | undefined, time: number, more: Partial<GivingView> = {}): GivingView {
  return {
    subscription,
    plan: subscription && vmPlan,
    entitlement: subscription && entitlement(subscription, time),
    block: { number: 100, hash: '0x', timestamp: time },
    latestTime: time,
    stale: false,
    ...more,
  }
}

function both(subscription: Subscription, time: number): TakingView {
  return { finalized: entitlement(subscription, time), latest: entitlement(subscription, time), finalizedTime: time }
}

const ended: TakingView = { finalized: { kind: 'ended' }, latest: { kind: 'ended' }, finalizedTime: t0 }

function facts(changes: Partial<DecisionFacts>): DecisionFacts {
  return {
    provisioner: true,
    giving: giving(activeSub, t0 + 1),
    taking: 'not-asked',
    vm: running,
    notes,
    noRoom: undefined,
    destroysAllowed: true,
    unconfirmed: undefined,
    waitSeconds: day,
    ...changes,
  }
}

/** The kind of the action, with its issue: `nothing/vm-missing`. */
function word(action: Action): string {
  return action.kind === 'nothing' && action.issue !== undefined ? `nothing/${action.issue}` : action.kind
}

const inGrace = giving(activeSub, t0 + day)
const graceOver = giving(activeSub, t0 + 3 * day)
const stale = { stale: true }
const nobody = giving(undefined, t0)

const table: [string, string, Partial<DecisionFacts>][] = [
  // denials: whose business it is
  [
    'denies all to a host that is not the provisioner: create',
    'nothing',
    { provisioner: false, giving: giving(pendingSub, t0), vm: absent, notes: undefined },
  ],
  ['denies all to a host that is not the provisioner: destroy', 'nothing', { provisioner: false, giving: nobody, taking: ended }],
  ['denies all to a host that is not the provisioner: start', 'nothing', { provisioner: false, vm: stopped }],
  // denials: giving
  ['denies a fresh VM for an active subscription', 'nothing/vm-missing', { vm: absent }],
  ['denies a fresh VM for one in grace', 'nothing/vm-missing', { giving: inGrace, vm: absent }],
  [
    'denies a fresh VM for a purchase that was ready once and is gone',
    'nothing/vm-missing',
    { giving: giving(pendingSub, t0), vm: absent },
  ],
  ['denies starting what a person stopped', 'nothing', { vm: stopped, notes: { ...notes, keptStopped: true } }],
  [
    'denies starting a VM made for another purchase',
    'nothing/vm-of-another-purchase',
    { vm: { ...stopped, origin: { buyer: '0xb2', boughtBlock: 7 } } },
  ],
  ['V2: denies acting on a VM in an unknown state', 'nothing/vm-state-unknown', { vm: { ...running, power: 'unknown' } }],
  [
    'V2: denies creating while the hypervisor does not answer',
    'nothing/purchase-waiting',
    { giving: giving(pendingSub, t0), vm: unknown, notes: undefined },
  ],
  [
    'denies creating where it does not fit',
    'nothing/purchase-waiting',
    { giving: giving(pendingSub, t0), vm: absent, notes: undefined, noRoom: 'full' },
  ],
  [
    'denies creating with less than a quarter of the deadline left',
    'reject',
    { giving: giving(pendingSub, t0 + 2701), vm: absent, notes: undefined },
  ],
  [
    'denies going on with a half-made VM then, too',
    'reject',
    { giving: giving(pendingSub, t0 + 2701), vm: halfMade, notes: fresh },
  ],
  [
    'denies a second activate before the first is deep enough',
    'nothing',
    { giving: giving(pendingSub, t0), unconfirmed: { verb: 'activate', minedBlock: 101 } },
  ],
  [
    'denies serving a plan of another kind',
    'reject',
    { giving: giving({ ...pendingSub, planId: 1 }, t0, { plan: wasmPlan }), vm: absent, notes: undefined },
  ],
  [
    'denies rejecting by a stale chain',
    'nothing',
    { giving: giving(pendingSub, t0 + hour, stale), vm: absent, notes: undefined },
  ],
  // denials: taking
  ['denies a shutdown before it was read for taking', 'read-for-taking', { giving: inGrace }],
  [
    'denies a shutdown that only the newest block knows',
    'nothing',
    { giving: inGrace, taking: { ...both(activeSub, t0 + day), finalized: { kind: 'active', until: t0 + day } } },
  ],
  [
    'denies a shutdown that only the finalized block knows',
    'nothing',
    { giving: inGrace, taking: { ...both(activeSub, t0 + day), latest: { kind: 'active', until: t0 + 9 * day } } },
  ],
  ['denies a shutdown on doubt', 'nothing/vm-unaccounted', { giving: inGrace, taking: 'unreadable' }],
  [
    'denies a shutdown by a stale chain',
    'nothing',
    { giving: giving(activeSub, t0 + day, stale), taking: both(activeSub, t0 + day) },
  ],
  [
    'denies an end before 24 hours of our own clock',
    'wait-before-end',
    {
      giving: graceOver,
      vm: stopped,
      notes: { ...notes, graceOverSeenSince: t0 + 3 * day, graceOverFor: activeSub.graceEndsAt },
    },
  ],
  [
    'denies an end by the wait of an earlier grace: an extension that nobody saw lies in between',
    'wait-before-end',
    {
      giving: graceOver,
      vm: stopped,
      notes: { ...notes, graceOverSeenSince: t0 - 5 * day, graceOverFor: activeSub.graceEndsAt - 5 * day },
      taking: both(activeSub, t0 + 3 * day),
    },
  ],
  [
    'denies an end that only the newest block knows',
    'nothing',
    {
      giving: graceOver,
      vm: stopped,
      taking: { ...both(activeSub, t0 + 3 * day), finalized: { kind: 'grace', until: t0 + 3 * day } },
    },
  ],
  [
    'denies a second end before the first is deep enough',
    'nothing',
    {
      giving: graceOver,
      vm: stopped,
      notes: { ...notes, graceOverSeenSince: t0 },
      unconfirmed: { verb: 'end', minedBlock: 101 },
    },
  ],
  [
    'denies an end while our books are empty',
    'nothing/vm-unaccounted',
    { giving: graceOver, vm: absent, notes: undefined, taking: both(activeSub, t0 + 3 * day) },
  ],
  ['denies destroying what the chain never sold', 'nothing/vm-unaccounted', { giving: nobody, taking: 'never-sold' }],
  ['denies destroying on doubt', 'nothing/vm-unaccounted', { giving: nobody, taking: 'unreadable' }],
  ['denies destroying before it was read for taking', 'read-for-taking', { giving: nobody }],
  ['denies destroying by a stale chain', 'nothing', { giving: giving(undefined, t0, stale), taking: ended }],
  [
    'denies destroying while the end is not final',
    'nothing',
    { giving: nobody, taking: { ...ended, finalized: { kind: 'active', until: t0 + day } } },
  ],
  [
    'denies destroying what the newest block has as active',
    'nothing',
    { giving: nobody, taking: { ...ended, latest: { kind: 'active', until: t0 + day } } },
  ],
  ['denies destroying in grace', 'nothing', { giving: nobody, taking: both(activeSub, t0 + day) }],
  [
    'denies destroying when the grace is over and nothing ended it',
    'nothing',
    { giving: nobody, taking: both(activeSub, t0 + 3 * day) },
  ],
  ['denies one destroy too many', 'nothing/destroys-waiting', { giving: nobody, taking: ended, destroysAllowed: false }],
  [
    'V2: denies destroying while the hypervisor does not answer',
    'nothing/vm-state-unknown',
    { giving: nobody, taking: ended, vm: unknown },
  ],
  // giving
  ['creates for a pending purchase', 'create', { giving: giving(pendingSub, t0), vm: absent, notes: undefined }],
  ['creates again after an undone create', 'create', { giving: giving(pendingSub, t0), vm: absent, notes: fresh }],
  ['creates at exactly a quarter left', 'create', { giving: giving(pendingSub, t0 + 2700), vm: absent, notes: undefined }],
  ['creates while the chain is stale', 'create', { giving: giving(pendingSub, t0, stale), vm: absent, notes: undefined }],
  ['goes on with a half-made VM', 'continue-create', { giving: giving(pendingSub, t0), vm: halfMade, notes: fresh }],
  ['goes on once ready, also late', 'continue-create', { giving: giving(pendingSub, t0 + 3500) }],
  [
    'goes on with what only the metadata knows to be ready',
    'continue-create',
    { giving: giving(pendingSub, t0 + 3500), notes: undefined },
  ],
  ['rejects at the deadline, also what was ready', 'reject', { giving: giving(pendingSub, t0 + hour) }],
  [
    'rejects late while the hypervisor does not answer',
    'reject',
    { giving: giving(pendingSub, t0 + 2701), vm: unknown, notes: undefined },
  ],
  [
    'reinstalls for another buyer under the same id',
    'reinstall-before-activate',
    { giving: giving({ ...pendingSub, buyer: '0xb2' }, t0), vm: halfMade },
  ],
  [
    'reinstalls for another block under the same id',
    'reinstall-before-activate',
    { giving: giving({ ...pendingSub, boughtBlock: 8 }, t0), vm: halfMade },
  ],
  [
    'takes an address for the same in any case of its letters',
    'continue-create',
    { giving: giving({ ...pendingSub, buyer: '0xA1' }, t0), vm: halfMade },
  ],
  [
    'sends activate again once its block has surely gone',
    'continue-create',
    { giving: giving(pendingSub, t0), unconfirmed: { verb: 'activate', minedBlock: 100 } },
  ],
  ['leaves alone what runs as it should', 'nothing', {}],
  ['starts what is stopped', 'start', { vm: stopped }],
  ['starts what crashed', 'start', { vm: { ...running, power: 'crashed' } }],
  ['starts what is paused', 'start', { vm: { ...running, power: 'paused' } }],
  ['turns autostart on again', 'start', { vm: { ...running, autostart: false } }],
  ['starts while the chain is stale', 'start', { vm: stopped, giving: giving(activeSub, t0 + 1, stale) }],
  ['forgets that the grace was over after an extension', 'forget-grace-over', { notes: { ...notes, graceOverSeenSince: t0 } }],
  [
    'forgets it also where the extension was short',
    'forget-grace-over',
    { giving: inGrace, notes: { ...notes, graceOverSeenSince: t0 } },
  ],
  // taking
  ['suspends what has expired at both depths', 'suspend', { giving: inGrace, taking: both(activeSub, t0 + day) }],
  [
    'suspends to take autostart away',
    'suspend',
    { giving: inGrace, vm: { ...stopped, autostart: true }, taking: both(activeSub, t0 + day) },
  ],
  ['suspends before it waits', 'suspend', { giving: graceOver, taking: both(activeSub, t0 + 3 * day) }],
  ['leaves a suspended VM alone', 'nothing', { giving: inGrace, vm: stopped }],
  ['leaves a suspended VM alone whose guest had crashed', 'nothing', { giving: inGrace, vm: { ...stopped, power: 'crashed' } }],
  [
    'begins to wait when both depths say that the grace is over',
    'wait-before-end',
    { giving: graceOver, vm: stopped, taking: both(activeSub, t0 + 3 * day) },
  ],
  [
    'ends after 24 hours, and not a second before',
    'send-end',
    {
      giving: graceOver,
      vm: stopped,
      notes: { ...notes, graceOverSeenSince: t0 + 2 * day, graceOverFor: activeSub.graceEndsAt },
      taking: both(activeSub, t0 + 3 * day),
    },
  ],
  [
    'ends what is missing, too: nothing is taken by it',
    'send-end',
    {
      giving: graceOver,
      vm: absent,
      notes: { ...notes, graceOverSeenSince: t0 + 2 * day, graceOverFor: activeSub.graceEndsAt },
      taking: both(activeSub, t0 + 3 * day),
    },
  ],
  ['destroys what has ended at both depths', 'destroy', { giving: nobody, taking: ended }],
  [
    'frees the addresses of what is gone already',
    'destroy',
    { giving: nobody, taking: ended, vm: absent, destroysAllowed: false },
  ],
  ['leaves alone what is ended and gone', 'nothing', { giving: nobody, vm: absent, notes: undefined }],
]

describe('decide', () => {
  for (const [name, expected, changes] of table) {
    test(name, () => assert.equal(word(decide(facts(changes), t0 + 3 * day)), expected))
  }
})

describe('decide, for all facts', () => {
  const time = fc.integer({ min: t0, max: t0 + 5 * day })
  const subscription = fc.constantFrom(pendingSub, activeSub, { ...activeSub, state: 'ended' } as Subscription)
  const vm = fc.oneof(
    fc.constantFrom(absent, unknown),
    fc.record({
      kind: fc.constant('present' as const),
      power: fc.constantFrom('running' as const, 'stopped' as const, 'paused' as const, 'crashed' as const, 'unknown' as const),
      autostart: fc.boolean(),
      origin: fc.constantFrom(origin, { buyer: '0xb2', boughtBlock: 9 }),
      activating: fc.boolean(),
    }),
  )
  const taking = fc.oneof(
    fc.constantFrom('not-asked' as const, 'unreadable' as const, 'never-sold' as const),
    fc.tuple(subscription, subscription, time).map(([a, b, now]): TakingView => ({
      finalized: entitlement(a, now),
      latest: entitlement(b, now),
      finalizedTime: now,
    })),
  )
  const someNotes = fc.option(
    fc.record({
      origin: fc.constantFrom(origin, { buyer: '0xb2', boughtBlock: 9 }),
      activateIntentAt: fc.option(fc.constant(t0)),
      graceOverSeenSince: fc.option(time),
      graceOverFor: fc.constantFrom(null, activeSub.graceEndsAt, t0),
      destroyedAt: fc.option(fc.constant(t0)),
      keptStopped: fc.boolean(),
    }),
    { nil: undefined },
  )
  const everything = fc
    .record({
      subscription: fc.option(fc.constantFrom(pendingSub, activeSub), { nil: undefined }),
      now: time,
      stale: fc.boolean(),
      provisioner: fc.boolean(),
      vm,
      taking,
      notes: someNotes,
      noRoom: fc.option(fc.constant('full'), { nil: undefined }),
      destroysAllowed: fc.boolean(),
    })
    .map((f) => ({ facts: facts({ ...f, giving: giving(f.subscription, f.now, { stale: f.stale }) }), now: f.now }))

  const takes = new Set(['suspend', 'send-end', 'destroy'])

  function always(name: string, holds: (action: Action, f: DecisionFacts, now: number) => void): void {
    test(name, () => {
      fc.assert(
        fc.property(everything, ({ facts: f, now }) => holds(decide(f, now), f, now)),
        { numRuns: 5000 },
      )
    })
  }

  always('E6: takes nothing from an entitled one, by either depth', (action, f) => {
    if (!takes.has(action.kind)) return
    assert.equal(typeof f.taking, 'object')
    const view = f.taking as TakingView
    assert.notEqual(view.finalized.kind, 'active')
    assert.notEqual(view.latest.kind, 'active')
    assert.notEqual(f.giving.entitlement?.kind, 'active')
  })
  always('destroys only what both depths have ended', (action, f) => {
    if (action.kind === 'destroy')
      assert.deepEqual([(f.taking as TakingView).finalized.kind, (f.taking as TakingView).latest.kind], ['ended', 'ended'])
  })
  always('creates for pending purchases only', (action, f) => {
    if (['create', 'continue-create', 'reinstall-before-activate', 'reject'].includes(action.kind))
      assert.equal(f.giving.entitlement?.kind, 'pending')
  })
  always('starts only the active', (action, f) => {
    if (action.kind === 'start') assert.equal(f.giving.entitlement?.kind, 'active')
  })
  always('takes nothing by a stale chain', (action, f) => {
    if (f.giving.stale) assert.ok(!takes.has(action.kind) && action.kind !== 'reject')
  })
  always('changes nothing as another host', (action, f) => {
    if (!f.provisioner) assert.equal(action.kind, 'nothing')
  })
  always('reads absence into no fault', (action, f) => {
    if (f.vm.kind === 'unknown') assert.ok(!['create', 'start', 'suspend', 'destroy'].includes(action.kind), action.kind)
  })
  always('touches no VM of another purchase that is active', (action, f) => {
    if (f.giving.entitlement?.kind !== 'active' || f.vm.kind !== 'present' || f.vm.origin === origin) return
    assert.ok(['nothing', 'forget-grace-over'].includes(action.kind))
  })
  always('ends only after the wait', (action, f, now) => {
    if (action.kind !== 'send-end') return
    assert.ok(now - (f.notes?.graceOverSeenSince ?? now + 1) >= f.waitSeconds)
    assert.equal(f.notes?.graceOverFor, f.giving.subscription?.graceEndsAt, 'and that of this very grace')
  })
})
