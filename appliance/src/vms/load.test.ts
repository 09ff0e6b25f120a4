import assert from 'node:assert/strict'
import { suite, type TestContext } from 'node:test'
import { reliability } from '../dev/reliability.ts'
import { AppError } from '../errors/app-error.ts'
import { embeddedPlan } from '../network/address-plan.ts'
import { createAddressTable } from '../network/address-table.ts'
import { createFakeHypervisor } from '../hypervisor/fake/fake-hypervisor.ts'
import { madeUpTemplate } from '../hypervisor/fake/sentinels.ts'
import { Stand } from './test-stand.ts'
import { bob } from './test-chain.ts'

async function open(t: TestContext, options: Parameters<typeof Stand.open>[0] = {}): Promise<Stand> {
  const stand = await Stand.open(options)
  t.after(() => stand.store.close())
  return stand
}

// through the whole loop 1,000 lives take a minute: by default a tenth of them, and all 1,000 at the table of addresses
const rounds = process.env['FREEHOLD_ALL'] === '1' ? 50 : 5

const sentOf = (stand: Stand, verb: string) => stand.provisioner.sent.filter((one) => one.startsWith(`${verb} `))

suite('load', () => {
  reliability('load-slow-create', 'E9: one create that hangs delays nobody: others are delivered meanwhile', async (fault, t) => {
    const stand = await open(t)
    const slow = stand.chain.buy()
    const held = Promise.withResolvers<void>()
    let holding = 0
    stand.hypervisor.before = async (verb, key) => {
      if (verb !== 'create' || key.tokenId !== slow) return
      holding += 1
      await held.promise
    }
    await stand.reconciler.pass()
    for (let n = 0; n < 5; n += 1) stand.chain.buy(bob)
    // five minutes of both clocks pass while the first one is being made
    for (let minute = 0; minute < 5; minute += 1) {
      stand.advance(60)
      for (let n = 0; n < 10; n += 1) {
        await stand.reconciler.pass()
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    for (let n = 0; n < 2000 && sentOf(stand, 'activate').length < 5; n += 1) {
      await stand.reconciler.pass()
      await new Promise((resolve) => setImmediate(resolve))
    }
    fault.struck(holding === 1 && stand.vm(slow) === undefined)
    assert.equal(sentOf(stand, 'activate').length, 5, 'the five that came later run')
    held.resolve()
    await stand.reconciler.settled()
    await stand.settle()
    assert.equal(stand.vm(slow)?.state, 'running')
    assert.equal(new Set(stand.provisioner.sent).size, 6)
    assert.equal(stand.provisioner.sent.length, 6, 'none twice')
  })

  for (const moment of ['before', 'after'] as const) {
    reliability(
      'load-full-pool',
      `the pool fills up during a create, ${moment} it has put anything there: no VM is left half made, nothing is activated, the payment goes back`,
      async (fault, t) => {
        const stand = await open(t)
        let [refused, halfMade] = [0, 0]
        stand.hypervisor[moment] = (verb) => {
          if (verb !== 'create') return
          refused += 1
          halfMade += stand.hypervisor.records.size
          throw new AppError({ code: 'storage-full', detail: 'The pool is full.' })
        }
        await stand.restart({ backOff: { attempts: 1, firstSeconds: 0, factor: 1, longestSeconds: 0 } })
        const id = stand.chain.buy()
        for (let n = 0; n < 3; n += 1) {
          await stand.reconciler.pass()
          await stand.reconciler.settled()
        }
        fault.struck(refused > 0 && (moment === 'before' ? halfMade === 0 : halfMade === refused))
        assert.equal(stand.vm(id), undefined, 'absent, not half there')
        assert.deepEqual(stand.provisioner.sent, [])
        assert.equal((await stand.store.addresses.list('ssh-port')).length, 0, 'its address is free again')
        await stand.reconciler.pass()
        await stand.reconciler.settled()
        const issue = stand.reconciler.status().issues.find(({ subject }) => subject === stand.id(id))
        assert.deepEqual([issue?.code, issue?.detail.includes('The pool is full.')], ['purchase-waiting', true])
        // with less than a quarter of the deadline left it is rejected: the contract pays the buyer back in full
        stand.advance(55 * 60)
        await stand.settle()
        assert.deepEqual(stand.provisioner.sent, [`reject ${id}`])
        assert.equal(stand.chain.at(id)?.state, 'ended')
        assert.equal(stand.hypervisor.records.size, 0)
      },
    )
  }

  reliability(
    'load-address-churn',
    'V5: 1,000 allocations and releases of a range of 20 addresses: none runs out, none is held twice',
    async (fault, t) => {
      const stand = await open(t)
      const table = createAddressTable(embeddedPlan({ from: 20_000, to: 20_019 }), stand.store.addresses)
      const name = (tokenId: number) => ({ installation: stand.chain.installation, tokenId: BigInt(tokenId) })
      const ports: (number | null)[] = []
      for (let id = 1; id <= 1000; id += 1) {
        // the oldest of 20 goes first: the range is full at every step
        if (id > 20) await table.release(name(id - 20))
        ports.push((await table.allocate(name(id), 0)).sshPort)
        assert.equal(new Set(ports.slice(-20)).size, Math.min(id, 20), `VM ${id} got an address that another one holds`)
      }
      await assert.rejects(table.allocate(name(1001), 0), { code: 'capacity-exceeded' })
      assert.equal((await stand.store.addresses.list('ssh-port')).length, 20)
      fault.struck(ports.length - new Set(ports).size)
    },
  )

  reliability(
    'load-life-churn',
    'V5: one VM after the other in a range of 20 addresses: destroy leaves nothing, the next one is delivered',
    async (fault, t) => {
      const stand = await open(t)
      const addresses = createAddressTable(embeddedPlan({ from: 20_000, to: 20_019 }), stand.store.addresses)
      await stand.restart({ addresses, createsAtOnce: 20, taking: { waitSeconds: 86_400, destroysPerDayMinimum: 2000 } })
      let made = 0
      for (let round = 0; round < rounds; round += 1) {
        const ids = Array.from({ length: 20 }, () => stand.chain.buy())
        await stand.settle()
        const ports = ids.map((id) => stand.vm(id)?.spec.addresses.sshPort)
        assert.ok(
          ports.every((port) => port !== undefined && port !== null),
          `round ${round}: a purchase got no address`,
        )
        assert.equal(new Set(ports).size, 20, `round ${round}: an address was given twice`)
        made += 20
        for (const id of ids) stand.chain.endFor(id)
        stand.chain.finalize()
        await stand.settle()
        assert.equal(stand.hypervisor.records.size, 0)
        assert.equal((await stand.store.addresses.list('ssh-port')).length, 0)
      }
      fault.struck(made === rounds * 20)
      assert.equal(stand.hypervisor.calls.filter((call) => call.startsWith('destroy')).length, rounds * 20)
    },
  )

  reliability(
    'load-hundred-purchases',
    '100 purchases in one block on the fake: all are delivered, none twice',
    async (fault, t) => {
      const stand = await open(t)
      const template = 'ab'.repeat(32)
      const hypervisor = createFakeHypervisor({
        clock: stand.clock,
        storages: ['local'],
        createSeconds: 0,
        onStart: ({ key }) => void stand.report(key),
      })
      t.after(() => hypervisor.close())
      await hypervisor.importTemplate({ path: madeUpTemplate, sha256: template })
      const first = stand.chain.buy()
      stand.chain.mine(1, (state) => {
        const one = state.subscriptions.get(first)
        assert.ok(one !== undefined)
        for (let n = 1n; n < 100n; n += 1n) state.subscriptions.set(first + n, { ...one, tokenId: first + n })
        state.nextTokenId = first + 100n
      })
      fault.struck([...stand.chain.head.subscriptions.values()].filter((s) => s.state === 'pending').length === 100)
      await stand.restart({ hypervisor })
      await stand.settle()
      const vms = await hypervisor.list()
      assert.equal(vms.filter((vm) => vm.state === 'running').length, 100, stand.lines.slice(0, 3).join('\n'))
      assert.equal(new Set(vms.map((vm) => vm.spec.addresses.sshPort)).size, 100)
      assert.equal(sentOf(stand, 'activate').length, 100)
      assert.equal(new Set(stand.provisioner.sent).size, 100, 'none twice')
    },
  )
})
