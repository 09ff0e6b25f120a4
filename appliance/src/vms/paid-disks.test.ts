import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext } from 'node:test'
import type { Clock } from '../clock/clock.ts'
import { markOf, vmIdOf } from '../chain/installation.ts'
import { reliability } from '../dev/reliability.ts'
import { AppError } from '../errors/app-error.ts'
import { declaredIssues } from '../health/declared-issues.ts'
import { gatherFacts } from '../health/gather.ts'
import { createHealth } from '../health/health.ts'
import { createFakeHypervisor } from '../hypervisor/fake/fake-hypervisor.ts'
import { madeUpTemplate } from '../hypervisor/fake/sentinels.ts'
import type { Hypervisor } from '../hypervisor/port.ts'
import { Stand } from './test-stand.ts'
import { z } from 'zod'
import { bob, TestChain, testPlan } from './test-chain.ts'
import { allVmActions } from './vm-actions.ts'

const day = 86_400

async function open(t: TestContext, options: Parameters<typeof Stand.open>[0] = {}): Promise<Stand> {
  const stand = await Stand.open(options)
  t.after(() => stand.store.close().catch(() => {}))
  return stand
}

/** A stand with `count` paid VMs that run. */
async function withVms(t: TestContext, count = 1, options: Parameters<typeof Stand.open>[0] = {}): Promise<Stand> {
  const stand = await open(t, options)
  for (let n = 0; n < count; n += 1) stand.chain.buy()
  await stand.settle()
  assert.equal([...stand.hypervisor.records.values()].filter((vm) => vm.state === 'running').length, count)
  return stand
}

const taken = (stand: Stand) => stand.hypervisor.calls.filter((call) => /^(destroy|stop|reinstall) /.test(call))

/** Of each issue that these faults raise: the phrase that says what it means, and the one that says what to do. */
const words: Record<string, [effect: RegExp, remedy: RegExp]> = {
  'vm-unaccounted': [/destroyed only when its end is final/, /Check the RPC addresses/],
  'unknown-contract': [/neither started, stopped nor destroyed/, /Add its contract to the configuration/],
  'address-conflict': [/Both keep their disks/, /Stop one of them and ask its holder to cancel/],
  'purchase-waiting': [/with a quarter of its time left the payment goes back/, /room, storage or the guest/],
  'not-provisioner': [/It changes nothing/, /setProvisioner\), or stop this daemon/],
  'destroys-waiting': [/their disks stay/, /Check that they really have ended, then allow it/],
}

/** What a person reads about an issue of this code: what it means for them and what to do. */
function assertWords(code: string): void {
  const declared = declaredIssues.find((issue) => issue.code === code)
  const phrases = words[code]
  assert.ok(declared !== undefined && phrases !== undefined, `no words for ${code}`)
  assert.match(declared.effect, phrases[0])
  assert.match(declared.remedy, phrases[1])
}

function assertStands(stand: Stand, code: string): void {
  assert.ok(stand.issues().includes(code), `${code} is not among ${stand.issues().join(', ')}`)
  assertWords(code)
}

/** What the operator reads a minute later about the host itself. */
async function onTheConsole(stand: Stand, hypervisor: Hypervisor): Promise<string> {
  const health = createHealth({
    clock: stand.clock,
    issues: stand.store.issues,
    facts: () =>
      gatherFacts({
        clock: stand.clock,
        contracts: [{ reader: stand.chain, provisioner: stand.provisioner, index: 0 }],
        chain: { name: 'Test', lowBalanceWei: 0n },
        hypervisor,
        reconciler: stand.reconciler,
        template: () => Promise.resolve('ab'.repeat(32)),
      }),
  })
  await health.check()
  stand.clock.advance(60)
  return health
    .current()
    .filter((issue) => issue.subject === 'host')
    .map((issue) => `${issue.title}. ${issue.effect} ${issue.remedy}`)
    .join('\n')
}

/** For a fault that leaves nobody anything to decide: the table names no issue, and none stands. */
function assertNoIssue(stand: Stand): void {
  assert.deepEqual(stand.issues(), [])
}

suite('what protects paid disks', () => {
  reliability('disk-empty-projection', 'a chain that knows no subscription at all takes nothing', async (fault, t) => {
    const stand = await withVms(t, 3)
    stand.chain.mine(1, (state) => {
      state.subscriptions = new Map()
      state.nextTokenId = 1n
    })
    stand.chain.finalize()
    const { subscriptions, nextTokenId } = await stand.chain.snapshot('finalized')
    fault.struck(subscriptions.size === 0 && nextTokenId === 1n)
    stand.advance(30 * day)
    await stand.settle()
    assert.deepEqual(taken(stand), [])
    assert.equal(stand.hypervisor.records.size, 3)
    assertStands(stand, 'vm-unaccounted')
  })

  reliability(
    'disk-reset-chain',
    'a chain that began anew at block 1 takes nothing, and gives the old disk to nobody',
    async (fault, t) => {
      const stand = await withVms(t)
      stand.chain.reorganise(stand.chain.head.number - 1)
      fault.struck(stand.chain.head.number === 1)
      await stand.settle()
      assert.deepEqual(taken(stand), [])
      assertStands(stand, 'vm-unaccounted')
      // the new chain sells number 1 again, to somebody else: never the former holder's disk
      stand.chain.mine()
      stand.chain.buy(bob)
      stand.chain.finalize()
      await stand.settle()
      assert.equal(stand.hypervisor.calls.filter((call) => call.startsWith('destroy')).length, 0)
      const vm = stand.vm(1n)
      assert.ok(
        vm === undefined || vm.spec.origin.buyer !== bob || vm.key.generation > 1,
        'another buyer never gets the former disk',
      )
    },
  )

  reliability(
    'disk-wrong-contract',
    'a configuration that names another contract takes nothing of the VMs that are there',
    async (fault, t) => {
      const stand = await withVms(t, 2)
      const other = new TestChain([testPlan()], stand.clock.now())
      Object.assign(other, { installation: 'ffffffffffff', contract: `0x${'dd'.repeat(20)}` })
      await stand.restart({ contracts: [{ reader: other, provisioner: stand.provisioner, index: 0 }] })
      fault.struck(other.installation !== stand.chain.installation)
      await stand.settle()
      assert.deepEqual(taken(stand), [])
      assertStands(stand, 'unknown-contract')
    },
  )

  reliability(
    'disk-database-lost',
    'an empty database: VMs come back with their addresses before anything is made',
    async (fault, t) => {
      const before = await withVms(t, 2)
      before.advance(day + 60)
      before.chain.finalize()
      await before.settle()
      assert.equal(before.vm(1n)?.state, 'stopped', 'suspended VMs hold their ports too')
      const ports = [...before.hypervisor.records.values()].map((vm) => vm.spec.addresses.sshPort)

      const stand = await open(t)
      Object.assign(stand, {
        chain: before.chain,
        provisioner: before.provisioner,
        hypervisor: before.hypervisor,
        clock: before.clock,
      })
      stand.hypervisor.onStart = (key) => void stand.report(key)
      const bought = stand.chain.buy(bob)
      stand.chain.finalize()
      await stand.restart()
      fault.struck((await stand.store.vms.list()).length === 0 && (await stand.store.addresses.list('ssh-port')).length === 0)
      await stand.settle()
      const fresh = stand.vm(bought)
      assert.equal(fresh?.state, 'running')
      assert.ok(!ports.includes(fresh?.spec.addresses.sshPort ?? null), 'the new VM took the port of a suspended one')
      assert.deepEqual(
        stand.issues().filter((code) => code === 'address-conflict'),
        [],
      )
      assert.equal((await stand.store.vms.list()).length, 3)
      assertNoIssue(stand)
    },
  )

  reliability(
    'disk-addresses-twice',
    'two VMs found with one address: both keep their disks, a person is told for as long as it is so',
    async (fault, t) => {
      const stand = await withVms(t, 2)
      const [first, second] = [stand.vm(1n), stand.vm(2n)]
      assert.ok(first !== undefined && second !== undefined)
      stand.hypervisor.records.set(stand.id(2n), { ...second, spec: { ...second.spec, addresses: first.spec.addresses } })
      const fresh = await open(t)
      Object.assign(fresh, {
        chain: stand.chain,
        provisioner: stand.provisioner,
        hypervisor: stand.hypervisor,
        clock: stand.clock,
      })
      await fresh.restart()
      await fresh.settle()
      fault.struck(
        fresh.reconciler
          .status()
          .issues.filter((issue) => issue.code === 'address-conflict')
          .map((issue) => issue.subject),
      )
      assertStands(fresh, 'address-conflict')
      assert.equal(fresh.hypervisor.records.size, 2)
      assert.deepEqual(taken(fresh), [])
      await fresh.restart()
      await fresh.reconciler.pass()
      await fresh.reconciler.settled()
      assertStands(fresh, 'address-conflict')
      // as the remedy says: the holder of one cancels. What the other one has is given to nobody else
      const owner = (await fresh.store.addresses.list('ssh-port'))[0]?.owner
      const cancelled = owner === fresh.id(1n) ? 1n : 2n
      fresh.chain.endFor(cancelled)
      fresh.chain.finalize()
      await fresh.settle()
      assert.equal(fresh.vm(cancelled), undefined)
      const third = fresh.chain.buy(bob)
      fresh.chain.finalize()
      fresh.hypervisor.onStart = (key) => void fresh.report(key)
      await fresh.settle()
      assert.notEqual(fresh.vm(third)?.spec.addresses.sshPort, first.spec.addresses.sshPort)
      assertNoIssue(fresh)
    },
  )

  reliability(
    'disk-database-old',
    'a database of a week ago: what was sold, renewed and ended since is as the chain says',
    async (fault, t) => {
      const folder = await mkdtemp(join(tmpdir(), 'freehold-old-'))
      t.after(() => rm(folder, { recursive: true }))
      const path = join(folder, 'now.db')
      const stand = await withVms(t, 1, { path, plans: [testPlan({ graceSeconds: 30 * day })] })
      await stand.store.close()
      await copyFile(path, join(folder, 'week-ago.db'))
      const week = await Stand.open({ path })
      Object.assign(week, {
        chain: stand.chain,
        provisioner: stand.provisioner,
        hypervisor: stand.hypervisor,
        clock: stand.clock,
      })
      week.hypervisor.onStart = (key) => void week.report(key)
      await week.restart()
      week.chain.extend(1n, 20 * day)
      const second = week.chain.buy(bob, 0, 20 * day)
      week.chain.finalize()
      await week.settle()
      week.advance(7 * day)
      week.chain.finalize()
      await week.settle()
      const ports = [1n, second].map((id) => week.vm(id)?.spec.addresses.sshPort)
      await week.store.close()

      const old = await open(t, { path: join(folder, 'week-ago.db') })
      Object.assign(old, { chain: stand.chain, provisioner: stand.provisioner, hypervisor: stand.hypervisor, clock: stand.clock })
      old.hypervisor.onStart = (key) => void old.report(key)
      fault.struck((await old.store.vms.list()).length === 1)
      await old.restart()
      const before = old.hypervisor.calls.length
      await old.settle()
      assert.deepEqual(old.hypervisor.calls.slice(before), [], 'nothing is made, stopped or destroyed')
      assert.deepEqual(
        [1n, second].map((id) => old.vm(id)?.spec.addresses.sshPort),
        ports,
      )
      assert.equal((await old.store.vms.list()).length, 2)
      const third = old.chain.buy()
      old.chain.finalize()
      await old.settle()
      assert.ok(!ports.includes(old.vm(third)?.spec.addresses.sshPort))
      assertNoIssue(old)
    },
  )

  reliability(
    'disk-pool-not-mounted',
    'a hypervisor whose pool is not mounted is down, not empty: nothing is made anew, nothing is taken',
    async (fault, t) => {
      const stand = await open(t)
      const storages = ['local']
      const asked: string[] = []
      const hypervisor = createFakeHypervisor({
        clock: stand.clock,
        storages,
        createSeconds: 0,
        onStart: ({ key }) => void stand.report(key),
      })
      t.after(() => hypervisor.close())
      const template = 'ab'.repeat(32)
      await hypervisor.importTemplate({ path: madeUpTemplate, sha256: template })
      const counted = Object.assign(Object.create(hypervisor) as typeof hypervisor, {
        stop: (...args: Parameters<typeof hypervisor.stop>) => (asked.push('stop'), hypervisor.stop(...args)),
        destroy: (...args: Parameters<typeof hypervisor.destroy>) => (asked.push('destroy'), hypervisor.destroy(...args)),
        reinstall: (...args: Parameters<typeof hypervisor.reinstall>) => (asked.push('reinstall'), hypervisor.reinstall(...args)),
      })
      await stand.restart({ hypervisor: counted, backOff: { attempts: 1, firstSeconds: 0, factor: 1, longestSeconds: 0 } })
      stand.chain.buy()
      stand.chain.buy()
      await stand.settle()
      const paid = await hypervisor.list()
      assert.deepEqual([...new Set(paid.map((vm) => vm.state))], ['running'])

      storages.push('sentinel-unmounted')
      const bought = stand.chain.buy(bob)
      // one of the two ends meanwhile: what cannot be seen is not taken either
      stand.chain.endFor(2n)
      stand.chain.finalize()
      await stand.settle()
      const refusal: unknown = await hypervisor.list().catch((error: unknown) => error)
      fault.struck(refusal instanceof AppError && refusal.code === 'pool-not-mounted')
      assert.deepEqual(asked, [])
      assert.deepEqual(stand.provisioner.sent, ['activate 1', 'activate 2'])
      assert.ok(stand.issues().includes('hypervisor-down'), stand.issues().join(', '))
      assertStands(stand, 'purchase-waiting')
      assert.equal(stand.issues().includes('vm-missing'), false, 'what cannot be seen is not taken for absent')
      const read = await onTheConsole(stand, counted)
      assert.match(read, /The storage was told not to be there\. Mount it again; nothing was taken away meanwhile\./)
      assert.match(read, /storage of the VMs/)

      storages.pop()
      await stand.settle()
      const after = new Map((await hypervisor.list()).map((vm) => [vm.key.tokenId, vm.state]))
      assert.deepEqual([after.get(1n), after.get(2n), after.get(bought)], ['running', undefined, 'running'])
      assert.equal(stand.issues().includes('hypervisor-down'), false)
    },
  )

  reliability('disk-two-daemons', 'a second daemon with another key changes nothing and says so', async (fault, t) => {
    const stand = await withVms(t, 2)
    const second = await open(t)
    const stranger = { ...stand.provisioner, address: `0x${'ee'.repeat(20)}` as const, sent: [] }
    Object.assign(second, { chain: stand.chain, provisioner: stranger, hypervisor: stand.hypervisor, clock: stand.clock })
    await second.restart()
    second.chain.buy(bob)
    second.advance(10 * day)
    second.chain.finalize()
    const before = second.hypervisor.calls.length
    await second.settle()
    fault.struck(second.issues().includes('not-provisioner'))
    assertWords('not-provisioner')
    assert.deepEqual(second.hypervisor.calls.slice(before), [])
    assert.deepEqual(stranger.sent, [])
  })

  reliability(
    'disk-time-jump',
    'our clock jumps a month ahead: nothing is taken before the chain itself says so',
    async (fault, t) => {
      const stand = await withVms(t)
      stand.clock.advance(31 * day)
      fault.struck(stand.clock.now() - stand.chain.head.timestamp > 30 * day)
      await stand.settle()
      assert.deepEqual(taken(stand), [])
      assert.equal(stand.vm(1n)?.state, 'running')
      assert.deepEqual(stand.provisioner.sent, ['activate 1'])
      assertNoIssue(stand)
    },
  )

  reliability(
    'disk-chain-time-jump',
    'the chain jumps over the grace: 24 hours by our own clock pass before `end`',
    async (fault, t) => {
      const stand = await withVms(t)
      stand.chain.mine(10 * day)
      stand.chain.finalize()
      fault.struck(stand.chain.head.timestamp > (stand.chain.at(1n)?.graceEndsAt ?? Infinity))
      await stand.settle()
      assert.equal(stand.vm(1n)?.state, 'stopped')
      assert.deepEqual(stand.provisioner.sent, ['activate 1'], 'no end yet')
      stand.clock.advance(day - 10)
      await stand.settle()
      assert.deepEqual(stand.provisioner.sent, ['activate 1'])
      stand.clock.advance(20)
      await stand.settle()
      assert.deepEqual(stand.provisioner.sent, ['activate 1', 'end 1'])
      assertNoIssue(stand)
    },
  )

  for (const jump of [day + 60, 30 * day, -30 * day]) {
    reliability(
      'disk-clock-set',
      `our clock is set by ${jump} s during the wait before an end: the wait begins anew`,
      async (fault, t) => {
        const stand = await withVms(t)
        stand.chain.mine(10 * day)
        stand.chain.finalize()
        await stand.settle()
        assert.equal(stand.vm(1n)?.state, 'stopped')
        const set = settable(stand.clock)
        await stand.restart({ clock: set.clock })
        await stand.settle()
        const before = [set.clock.now(), set.clock.monotonicMs()] as const
        set.by(jump)
        // the chain goes on beside it, so that it is not old by the new clock
        stand.chain.mine(Math.max(0, jump))
        stand.chain.finalize()
        fault.struck(Math.abs(set.clock.now() - before[0]) >= day && set.clock.monotonicMs() - before[1] < 60_000)
        await stand.settle()
        assert.deepEqual(stand.provisioner.sent, ['activate 1'], 'no end by a clock that was set')
        stand.clock.advance(day - 10)
        await stand.settle()
        assert.deepEqual(stand.provisioner.sent, ['activate 1'], 'not yet')
        stand.clock.advance(20)
        await stand.settle()
        assert.deepEqual(stand.provisioner.sent, ['activate 1', 'end 1'])
        assertNoIssue(stand)
      },
    )
  }

  reliability(
    'disk-fifty-endings',
    '50 subscriptions end at once: three disks go, the others wait for the operator',
    async (fault, t) => {
      const stand = await withVms(t, 50)
      for (let id = 1n; id <= 50n; id += 1n) stand.chain.endFor(id)
      stand.chain.finalize()
      fault.struck([...stand.chain.head.subscriptions.values()].filter((s) => s.state === 'ended').length === 50)
      await stand.settle()
      assert.equal(stand.hypervisor.records.size, 47)
      assertStands(stand, 'destroys-waiting')
      // a restart does not forget what was destroyed today
      await stand.restart()
      await stand.settle()
      assert.equal(stand.hypervisor.records.size, 47)
      const waiting = [...stand.hypervisor.records.values()].slice(0, 10).map(({ key }) => vmIdOf(key))
      await stand.reconciler.allowDestroys(waiting)
      await stand.settle()
      assert.equal(stand.hypervisor.records.size, 37, 'what the operator named, and no more')
    },
  )

  reliability(
    'disk-operator-destroys',
    'the operator lets a paid VM be destroyed: there is no such verb, and the list of allowed ones ends nothing',
    async (fault, t) => {
      const stand = await withVms(t, 2)
      assert.ok(!allVmActions.some((action) => /destroy|delete|remove/.test(action)))
      await stand.reconciler.allowDestroys([stand.id(1n), stand.id(2n)])
      fault.struck(await stand.store.settings.get('destroys-allowed-by-operator', z.unknown()))
      stand.advance(3600)
      stand.chain.finalize()
      await stand.settle()
      assert.deepEqual(taken(stand), [])
      assert.equal(stand.hypervisor.records.size, 2)
      assertNoIssue(stand)
    },
  )

  reliability('disk-template-replaced', 'a new template: VMs keep their disks and what they were made of', async (fault, t) => {
    const stand = await withVms(t)
    const before = stand.vm(1n)
    await stand.restart({ template: () => Promise.resolve('cd'.repeat(32)) })
    const bought = stand.chain.buy(bob)
    await stand.settle()
    fault.struck(stand.vm(bought)?.spec.template === 'cd'.repeat(32))
    assert.deepEqual(stand.vm(1n), before)
    assert.deepEqual(taken(stand), [])
    assertNoIssue(stand)
  })

  reliability(
    'disk-foreign-vm',
    'a VM of another installation on the same hypervisor is never touched, whatever our chain says',
    async (fault, t) => {
      const stand = await withVms(t)
      const own = stand.vm(1n)
      assert.ok(own !== undefined)
      const key = { installation: 'aaaaaaaaaaaa', tokenId: 1n, generation: 1 }
      stand.hypervisor.records.set(vmIdOf(key), { ...own, key, state: 'running' })
      stand.chain.endFor(1n)
      stand.chain.finalize()
      await stand.settle()
      fault.struck(stand.vm(1n) === undefined)
      assert.equal(stand.hypervisor.records.get(vmIdOf(key))?.state, 'running')
      assert.equal(
        taken(stand).some((call) => call.includes('aaaaaaaaaaaa')),
        false,
      )
      assertStands(stand, 'unknown-contract')
      assert.notEqual(markOf(key), markOf(own.key))
    },
  )

  reliability(
    'disk-rpc-lies-about-end',
    'one node shows the end, the finalized block does not: the VM stays',
    async (fault, t) => {
      const stand = await withVms(t)
      stand.chain.finalityBlocks = 50
      stand.chain.endFor(1n)
      fault.struck(stand.chain.at(1n)?.state === 'ended')
      await stand.settle()
      stand.chain.finalize()
      assert.ok(stand.vm(1n) !== undefined)
      stand.chain.reorganise(51)
      await stand.settle()
      assert.equal(stand.vm(1n)?.state, 'running', 'and when the end is gone again it runs on')
      assertNoIssue(stand)
    },
  )
})

/** The stand's clock as somebody may set it: wall time goes another way than time since. */
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
