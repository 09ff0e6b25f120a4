import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext } from 'node:test'
import { markOf } from '../chain/installation.ts'
import { reliability } from '../dev/reliability.ts'
import { createAddressTable } from '../network/address-table.ts'
import { embeddedPlan } from '../network/address-plan.ts'
import { guestBySecret, guestByToken } from '../sign-in/guest-auth.ts'
import { vmSecret } from './guest-secrets.ts'
import { beginAction } from './operations.ts'
import { rebuild } from './rebuild.ts'
import { bob, testPlan } from './test-chain.ts'
import { Stand } from './test-stand.ts'
import { VmBooks } from './vm-books.ts'

const day = 86_400
/** Of every stand. */
const master = new Uint8Array(32).fill(7)
const plans = [testPlan({ graceSeconds: 30 * day })]

async function open(t: TestContext, path?: string): Promise<Stand> {
  const stand = await Stand.open({ plans, ...(path !== undefined && { path }) })
  t.after(() => stand.store.close())
  return stand
}

/** A new daemon with an empty database, or that of a backup, on the chain and the hypervisor of `former`. */
async function afterLoss(t: TestContext, former: Stand, backup?: string): Promise<Stand> {
  const stand = await open(t, backup)
  const { chain, provisioner, hypervisor, clock } = former
  Object.assign(stand, { chain, provisioner, hypervisor, clock })
  stand.hypervisor.onStart = (key) => void stand.report(key)
  await stand.restart()
  return stand
}

/** What `freehold rebuild` does. */
async function runRebuild(stand: Stand) {
  const books = await VmBooks.load(stand.store.vms, stand.store.settings)
  const addresses = createAddressTable(embeddedPlan({ from: 20_000, to: 29_999 }), stand.store.addresses)
  const report = await rebuild(
    { hypervisor: stand.hypervisor.port(), books, addresses },
    [await stand.chain.snapshot('latest')],
    stand.clock.now(),
  )
  await stand.restart()
  return report
}

async function rows(stand: Stand) {
  const found = await stand.store.vms.list()
  return found.toSorted((a, b) => Number(a.tokenId - b.tokenId))
}

suite('rebuild', () => {
  reliability('rebuild-hypervisor-down', 'the hypervisor does not answer: refused, nothing is entered', async (fault, t) => {
    const former = await open(t)
    former.chain.buy()
    await former.settle()
    const stand = await afterLoss(t, former)
    stand.hypervisor.down = true
    await assert.rejects(runRebuild(stand), { code: 'hypervisor-down' })
    fault.struck(stand.hypervisor.down)
    assert.deepEqual(await rows(stand), [])
  })

  reliability('rebuild-vms', 'database deleted: machines, addresses, host keys, generations come back', async (fault, t) => {
    const former = await open(t)
    for (let n = 0; n < 3; n += 1) former.chain.buy()
    await former.settle()
    const second = former.reconciler.books.get(former.id(2n))
    assert.ok(second !== undefined)
    await beginAction(former.reconciler, second, 'reinstall')
    await former.reconciler.settled()
    await former.settle()
    const before = await rows(former)
    assert.deepEqual(
      before.map(({ generation }) => generation),
      [1, 2, 1],
    )
    const stand = await afterLoss(t, former)
    fault.struck((await rows(stand)).length === 0)
    const report = await runRebuild(stand)
    assert.deepEqual([report.restored.length, report.unchanged.length, report.conflicts.length], [3, 0, 0])
    const stable = (row: (typeof before)[number]) => {
      const { tokenId, generation, planId, vcpus, memoryMiB, diskGiB, addresses, mac, template, origin, hostKey } = row
      return { tokenId, generation, planId, vcpus, memoryMiB, diskGiB, addresses, mac, template, origin, hostKey }
    }
    assert.deepEqual((await rows(stand)).map(stable), before.map(stable))
    assert.equal((await stand.store.addresses.list('ssh-port')).length, 3)
    const calls = stand.hypervisor.calls.length
    await stand.settle()
    assert.deepEqual(stand.hypervisor.calls.slice(calls), [], 'no VM is made, stopped or destroyed')
    assert.deepEqual(stand.provisioner.sent.length, 3, 'no activation is sent twice')
  })

  reliability('rebuild-twice', 'a second and third rebuild change nothing', async (fault, t) => {
    const former = await open(t)
    former.chain.buy()
    former.chain.buy(bob)
    await former.settle()
    const stand = await afterLoss(t, former)
    fault.struck((await runRebuild(stand)).restored)
    const once = [await rows(stand), await stand.store.addresses.list('ssh-port')]
    for (let n = 0; n < 2; n += 1) {
      const report = await runRebuild(stand)
      assert.deepEqual([report.restored, report.unchanged.length], [[], 2])
      assert.deepEqual([await rows(stand), await stand.store.addresses.list('ssh-port')], once)
    }
  })

  reliability('rebuild-wait-anew', 'our 24 hours before `end` begin anew: a loss never shortens them', async (fault, t) => {
    const former = await open(t)
    former.chain.buy()
    await former.settle()
    former.advance(40 * day)
    former.chain.finalize()
    await former.settle()
    former.clock.advance(23 * 3600)
    await former.settle()
    const stand = await afterLoss(t, former)
    fault.struck((await rows(stand)).length === 0)
    await runRebuild(stand)
    assert.deepEqual(
      (await rows(stand)).map((row) => row.graceOverSeenSince),
      [null],
    )
    await stand.settle()
    stand.clock.advance(2 * 3600)
    await stand.settle()
    assert.deepEqual(stand.provisioner.sent, ['activate 1'], 'an hour later no end is sent')
    stand.clock.advance(22 * 3600 + 60)
    await stand.settle()
    assert.deepEqual(stand.provisioner.sent, ['activate 1', 'end 1'])
  })

  reliability(
    'rebuild-stopped-by-person',
    'what a person stopped runs again: that wish was only in the database',
    async (fault, t) => {
      const former = await open(t)
      former.chain.buy()
      await former.settle()
      const vm = former.vm(1n)
      assert.ok(vm !== undefined)
      await former.reconciler.books.keepStopped(vm.key, true)
      former.hypervisor.records.set(former.id(1n), { ...vm, state: 'stopped', autostart: false })
      await former.settle()
      assert.equal(former.vm(1n)?.state, 'stopped')
      const stand = await afterLoss(t, former)
      fault.struck((await rows(stand)).length === 0)
      await runRebuild(stand)
      await stand.settle()
      assert.equal(stand.vm(1n)?.state, 'running', 'paid for, so it runs')
    },
  )

  reliability('rebuild-half-made', 'a purchase whose VM was half made: it is completed and activated once', async (fault, t) => {
    const former = await open(t)
    const id = former.chain.buy()
    const silent = former.id(id)
    former.silent.add(silent)
    await former.reconciler.pass()
    for (let n = 0; n < 500 && former.vm(id)?.state !== 'running'; n += 1) await new Promise((resolve) => setImmediate(resolve))
    await former.reconciler.stop()
    assert.equal(former.vm(id)?.state, 'running')
    const stand = await afterLoss(t, former)
    fault.struck(stand.provisioner.sent.length === 0 && (await rows(stand)).length === 0)
    await runRebuild(stand)
    const key = stand.vm(id)?.key
    assert.ok(key !== undefined)
    // the guest calls until it is heard
    await stand.report(key)
    await stand.settle()
    assert.deepEqual(stand.provisioner.sent, [`activate ${id}`])
    assert.equal(stand.vm(id)?.state, 'running')
  })

  reliability('rebuild-missing-vm', 'paid for and not on the hypervisor: an issue, never a blank VM', async (fault, t) => {
    const former = await open(t)
    former.chain.buy()
    await former.settle()
    former.hypervisor.records.clear()
    const stand = await afterLoss(t, former)
    fault.struck(stand.hypervisor.records.size === 0)
    assert.deepEqual((await runRebuild(stand)).restored, [])
    const calls = stand.hypervisor.calls.length
    await stand.settle()
    assert.deepEqual(stand.hypervisor.calls.slice(calls), [])
    assert.ok(stand.issues().includes('vm-missing'), stand.issues().join(', '))
  })

  reliability(
    'rebuild-secrets',
    'database deleted: guests get in with the secret and the token that they were born with',
    async (fault, t) => {
      const former = await open(t)
      former.chain.buy()
      former.chain.buy(bob)
      await former.settle()
      const born = [1n, 2n].map((id) => {
        const key = former.vm(id)?.key
        assert.ok(key !== undefined)
        const { token } = JSON.parse(former.hypervisor.seeds.get(markOf(key))?.freeholdJson ?? '{}') as { token: string }
        // the guest keeps what its report was answered with
        return { id, token, bearer: `Bearer ${markOf(key).slice('freehold:'.length)}.${vmSecret(master, markOf(key))}` }
      })
      const stand = await afterLoss(t, former)
      const ports = { mode: 'embedded' as const, vms: stand.store.vms, master }
      for (const { bearer } of born) {
        await assert.rejects(guestBySecret(ports, bearer, '127.0.0.1'), { code: 'not-signed-in' })
      }
      fault.struck((await rows(stand)).length === 0)
      await runRebuild(stand)
      for (const { id, token, bearer } of born) {
        const guest = await guestBySecret(ports, bearer, '127.0.0.1')
        assert.deepEqual([guest.key.tokenId, guest.row.hostKey], [id, former.vm(id)?.facts.hostKey])
        assert.equal((await guestByToken(ports, token, '127.0.0.1')).key.tokenId, id)
        // a spent token stays spent: nobody reports other host keys with it
        assert.notEqual(guest.row.secretUsedAt, null)
      }
      const [first, second] = born.map(({ bearer }) => bearer)
      const mixed = `${first?.split('.')[0]}.${second?.split('.')[1]}`
      await assert.rejects(guestBySecret(ports, mixed, '127.0.0.1'), { code: 'not-signed-in' })
    },
  )

  reliability(
    'rebuild-secrets-lost',
    'the master secret is lost: no guest gets in with the former one, no disk is touched',
    async (fault, t) => {
      const former = await open(t)
      former.chain.buy()
      await former.settle()
      const key = former.vm(1n)?.key
      assert.ok(key !== undefined)
      const [old, fresh] = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(8)]
      const bearer = `Bearer ${markOf(key).slice('freehold:'.length)}.${vmSecret(old, markOf(key))}`
      const ports = { mode: 'embedded' as const, vms: former.store.vms }
      assert.equal((await guestBySecret({ ...ports, master: old }, bearer, '127.0.0.1')).key.tokenId, 1n)
      await assert.rejects(guestBySecret({ ...ports, master: fresh }, bearer, '127.0.0.1'), { code: 'not-signed-in' })
      fault.struck(vmSecret(fresh, markOf(key)) !== vmSecret(old, markOf(key)))
      const before = former.hypervisor.calls.length
      await former.restart({ masterSecret: fresh })
      await former.settle()
      assert.deepEqual(former.hypervisor.calls.slice(before), [])
    },
  )

  reliability(
    'rebuild-key-lost',
    'the provisioner key is lost: the new one changes nothing until the owner names it',
    async (fault, t) => {
      const former = await open(t)
      former.chain.buy()
      await former.settle()
      const stand = await afterLoss(t, former)
      const next = { ...former.provisioner, address: `0x${'d1'.repeat(20)}` as const, sent: [] }
      Object.assign(stand, { provisioner: next })
      await stand.restart()
      former.chain.buy(bob)
      await stand.settle()
      fault.struck(stand.issues().includes('not-provisioner'))
      assert.deepEqual(next.sent, [])
      assert.equal(stand.vm(2n), undefined)
      // the owner signs setProvisioner: from then on it serves
      former.chain.mine(1, (state) => {
        state.provisioner = next.address
      })
      former.chain.finalize()
      await stand.settle()
      assert.equal(stand.vm(2n)?.state, 'running')
      assert.equal(stand.issues().includes('not-provisioner'), false)
    },
  )

  reliability(
    'rebuild-week-old',
    'restored from a week-old backup, rebuild enters what came since and leaves the rest alone',
    async (fault, t) => {
      const folder = await mkdtemp(join(tmpdir(), 'freehold-week-'))
      t.after(() => rm(folder, { recursive: true }))
      const backup = join(folder, 'backup.db')
      const former = await Stand.open({ plans, path: join(folder, 'now.db') })
      t.after(() => former.store.close())
      const [extended, ended] = [former.chain.buy(), former.chain.buy(bob)]
      await former.settle()
      former.store.copyTo(backup)
      const kept = await rows(former)
      // a week passes: one is extended, one ends and is destroyed, one is bought
      former.chain.extend(extended, 20 * day)
      former.chain.endFor(ended)
      former.chain.finalize()
      await former.settle()
      former.advance(7 * day)
      const bought = former.chain.buy(bob, 0, 20 * day)
      former.chain.finalize()
      await former.settle()
      assert.deepEqual(
        [former.vm(extended)?.state, former.vm(ended), former.vm(bought)?.state],
        ['running', undefined, 'running'],
      )
      const sent = [...former.provisioner.sent]

      const stand = await afterLoss(t, former, backup)
      fault.struck((await rows(stand)).map((row) => row.tokenId).join() === `${extended},${ended}`)
      const report = await runRebuild(stand)
      assert.deepEqual(report.restored, [stand.id(bought)])
      assert.deepEqual(report.unchanged, [stand.id(extended)])
      assert.deepEqual(report.conflicts, [])
      const row = (await rows(stand)).find(({ tokenId }) => tokenId === extended)
      assert.deepEqual(row, kept[0], 'what the backup knows is left alone')
      const before = stand.hypervisor.calls.length
      await stand.settle()
      assert.deepEqual(stand.hypervisor.calls.slice(before), [])
      assert.deepEqual(stand.provisioner.sent, sent, 'nothing is sent twice')
      assert.deepEqual(stand.issues(), [])
      // by the old time it would be over by now
      stand.advance(10 * day)
      stand.chain.finalize()
      await stand.settle()
      assert.deepEqual([stand.vm(extended)?.state, stand.vm(bought)?.state], ['running', 'running'])
    },
  )

  reliability(
    'rebuild-conflict-named',
    'two VMs on one address: every rebuild names both, not only the first',
    async (fault, t) => {
      const former = await open(t)
      former.chain.buy()
      former.chain.buy(bob)
      await former.settle()
      const [first, second] = [former.vm(1n), former.vm(2n)]
      assert.ok(first !== undefined && second !== undefined)
      former.hypervisor.records.set(former.id(2n), { ...second, spec: { ...second.spec, addresses: first.spec.addresses } })
      const stand = await afterLoss(t, former)
      const both = [stand.id(1n), stand.id(2n)]
      const reports = [await runRebuild(stand), await runRebuild(stand)]
      fault.struck(reports.flatMap((report) => report.conflicts))
      for (const report of reports) assert.deepEqual(report.conflicts.toSorted(), both)
    },
  )
})
