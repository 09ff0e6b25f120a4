import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import type { Clock } from '../clock/clock.ts'
import { markOf } from '../chain/installation.ts'
import { reliability } from '../dev/reliability.ts'
import { AppError } from '../errors/app-error.ts'
import { DestroyGate } from './destroy-gate.ts'
import { bob, testPlan } from './test-chain.ts'
import { Stand } from './test-stand.ts'

const day = 86_400
const plans = [testPlan({ graceSeconds: 30 * day })]

async function open(t: TestContext, path?: string): Promise<Stand> {
  const stand = await Stand.open({ plans, ...(path !== undefined && { path }) })
  t.after(() => stand.store.close().catch(() => {}))
  return stand
}

/** `count` paid VMs that run; then the first `ended` of them are cancelled by their holders, and as many as may go are gone. */
async function withEndings(t: TestContext, count: number, ended: number, path?: string): Promise<Stand> {
  const stand = await open(t, path)
  for (let n = 0; n < count; n += 1) stand.chain.buy(bob, 0, 60 * day)
  await stand.settle()
  await end(stand, 1, ended)
  assert.equal(stand.hypervisor.records.size, count - Math.min(3, ended))
  return stand
}

async function end(stand: Stand, from: number, to: number): Promise<void> {
  for (let id = from; id <= to; id += 1) stand.chain.endFor(BigInt(id))
  stand.chain.finalize()
  await stand.settle()
}

/** A new daemon with another database on the chain and the hypervisor of `former`. */
async function withDatabase(t: TestContext, former: Stand, path?: string): Promise<Stand> {
  const stand = await open(t, path)
  const { chain, provisioner, hypervisor, clock } = former
  Object.assign(stand, { chain, provisioner, hypervisor, clock })
  stand.hypervisor.onStart = (key) => void stand.report(key)
  await stand.restart()
  return stand
}

/** The stand's clock as somebody may set it: time since goes on as it did. */
function settable(clock: Clock): { clock: Clock; by(seconds: number): void } {
  let offset = 0
  return {
    clock: {
      now: () => clock.now() + offset,
      monotonicMs: () => clock.monotonicMs(),
      wait: (ms, signal) => clock.wait(ms, signal),
    },
    by: (seconds) => void (offset += seconds),
  }
}

suite('the brake on destroys', () => {
  for (const jump of [day + 60, 30 * day, -30 * day]) {
    reliability(
      'disk-brake-clock-set',
      `our clock is set by ${jump} s, by hand or while the daemon is down: no further disk goes before a day has passed`,
      async (fault, t) => {
        for (const restarted of [false, true]) {
          const stand = await withEndings(t, 9, 8)
          const set = settable(stand.clock)
          // a life that sees the clock being set, and one that was not there
          if (!restarted) await stand.restart({ clock: set.clock })
          set.by(jump)
          if (restarted) await stand.restart({ clock: set.clock })
          fault.struck(Math.abs(set.clock.now() - stand.clock.now()) >= day)
          await stand.settle()
          assert.equal(stand.hypervisor.records.size, 6, 'a clock that was set proves no day')
          assert.ok(stand.issues().includes('destroys-waiting'))
          // and set back again
          set.by(-jump)
          await stand.settle()
          assert.equal(stand.hypervisor.records.size, 6)
          // a day by both clocks: three more, and no more than three
          stand.advance(day + 120)
          stand.chain.finalize()
          await stand.settle()
          assert.equal(stand.hypervisor.records.size, 3)
        }
      },
    )
  }

  reliability(
    'disk-brake-chain-time-jump',
    'the chain’s time jumps by a day: no further disk goes before a day of our own has passed',
    async (fault, t) => {
      const stand = await withEndings(t, 9, 8)
      const before = stand.chain.head.timestamp
      stand.chain.mine(day + 60)
      stand.chain.finalize()
      fault.struck(stand.chain.head.timestamp - before > day)
      await stand.settle()
      assert.equal(stand.hypervisor.records.size, 6)
      stand.clock.advance(day + 60)
      await stand.settle()
      assert.equal(stand.hypervisor.records.size, 3)
    },
  )

  reliability(
    'disk-brake-database-lost',
    'the database is lost after a day’s destroys: they still count, found by chain and hypervisor',
    async (fault, t) => {
      const former = await withEndings(t, 9, 3)
      const stand = await withDatabase(t, former)
      fault.struck((await stand.store.destroys.marks()).length === 0 && (await stand.store.vms.list()).length === 0)
      await end(stand, 4, 5)
      assert.equal(stand.hypervisor.records.size, 6, 'none goes')
      assert.ok(stand.issues().includes('destroys-waiting'))
      // and lost again and again
      const again = await withDatabase(t, stand)
      await again.settle()
      assert.equal(again.hypervisor.records.size, 6)
      // as the remedy says: the operator looks, and allows one
      await again.reconciler.allowDestroys([again.id(4n)])
      await again.settle()
      assert.deepEqual([again.vm(4n), again.hypervisor.records.size], [undefined, 5])
      // a day later what remains goes by itself
      again.advance(day + 60)
      again.chain.finalize()
      await again.settle()
      assert.deepEqual([again.vm(5n), again.hypervisor.records.size], [undefined, 4])
      assert.deepEqual(again.issues(), [])
    },
  )

  reliability(
    'disk-brake-database-old',
    'the database is that of a backup before a day’s destroys: they still count',
    async (fault, t) => {
      const folder = await mkdtemp(join(tmpdir(), 'freehold-brake-'))
      t.after(() => rm(folder, { recursive: true }))
      const former = await open(t, join(folder, 'now.db'))
      for (let n = 0; n < 9; n += 1) former.chain.buy(bob, 0, 60 * day)
      await former.settle()
      former.store.copyTo(join(folder, 'backup.db'))
      await end(former, 1, 3)
      assert.equal(former.hypervisor.records.size, 6)
      const stand = await withDatabase(t, former, join(folder, 'backup.db'))
      fault.struck((await stand.store.destroys.marks()).length === 0 && (await stand.store.vms.list()).length === 9)
      await end(stand, 4, 9)
      assert.equal(stand.hypervisor.records.size, 6)
      assert.ok(stand.issues().includes('destroys-waiting'))
    },
  )

  reliability(
    'disk-brake-not-told',
    'what went before a loss cannot be found out, as the hypervisor or the chain does not answer: nothing is destroyed',
    async (fault, t) => {
      const former = await withEndings(t, 9, 3)
      former.chain.endFor(4n)
      former.chain.finalize()
      const answer = (): Promise<never> => Promise.reject(new AppError({ code: 'rpc-unreachable', detail: 'No answer.' }))
      for (const silent of ['chain', 'hypervisor'] as const) {
        const stand = await withDatabase(t, former)
        const asked: string[] = []
        const refuse = () => (asked.push(silent), answer())
        const { chain, store, clock } = stand
        const reader = {
          installation: chain.installation,
          snapshot: chain.snapshot.bind(chain),
          subscriptions: silent === 'chain' ? refuse : chain.subscriptions.bind(chain),
        }
        const hypervisor = silent === 'hypervisor' ? { list: refuse } : stand.hypervisor.port()
        const gate = new DestroyGate({ ...store, clock, hypervisor, minimum: 30 })
        const ended = { reason: 'cancel', finalizedTime: chain.head.timestamp }
        const mark = markOf({ installation: chain.installation, tokenId: 4n, generation: 1 })
        for (let n = 0; n < 2; n += 1) await assert.rejects(gate.pass(mark, ended, reader, 6), { code: 'rpc-unreachable' })
        fault.struck(asked)
        assert.deepEqual(await store.destroys.marks(), [], 'let through by nobody')
        // who answers again is asked again
        const sound = new DestroyGate({ ...store, clock, hypervisor: stand.hypervisor.port(), minimum: 4 })
        assert.equal(await sound.pass(mark, ended, chain, 6), true)
        assert.equal((await store.destroys.marks()).length, 4)
      }
    },
  )

  test('a rejected purchase that never ran is no destroy, after a loss neither', async (t) => {
    const former = await open(t)
    for (let n = 0; n < 5; n += 1) former.chain.buy()
    // no daemon was there: little is left of the deadline, all five are rejected
    former.advance(50 * 60)
    former.chain.finalize()
    await former.settle()
    former.chain.finalize()
    assert.deepEqual(
      former.provisioner.sent.toSorted(),
      [1, 2, 3, 4, 5].map((id) => `reject ${id}`),
    )
    former.chain.buy(bob, 0, 60 * day)
    await former.settle()
    const stand = await withDatabase(t, former)
    await end(stand, 6, 6)
    assert.equal(stand.vm(6n), undefined)
    assert.deepEqual(stand.issues(), [])
  })
})
