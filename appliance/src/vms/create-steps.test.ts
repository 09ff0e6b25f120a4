import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { planSuite, type PlanUnderTest } from '../steps/plan-suite.ts'
import { runTask, undoTask } from '../steps/runner.ts'
import { createSteps } from './create-steps.ts'
import { DestroyGate } from './destroy-gate.ts'
import { bob } from './test-chain.ts'
import { Slots } from './slots.ts'
import { Stand } from './test-stand.ts'
import { VmBooks } from './vm-books.ts'
import type { VmWork } from './vm-work.ts'

async function workOn(stand: Stand, tokenId: bigint): Promise<VmWork> {
  const ports = stand.ports()
  const subscription = stand.chain.at(tokenId)
  const [plan] = stand.chain.plans
  const [contract] = ports.contracts
  assert.ok(subscription && plan && contract)
  return {
    ports,
    contract,
    books: await VmBooks.load(stand.store.vms, stand.store.settings),
    key: { installation: stand.chain.installation, tokenId, generation: 1 },
    subscription,
    plan,
    slots: new Slots(2),
    gate: new DestroyGate({ ...ports, minimum: 3 }),
    mined: () => undefined,
  }
}

async function worldOf(stand: Stand, tokenId: bigint): Promise<unknown> {
  const [lease] = await stand.store.addresses.list('ssh-port')
  const record = stand.vm(tokenId)
  const row = await stand.store.vms.get({ installation: stand.chain.installation, tokenId })
  return {
    record: record && [record.state, record.autostart, record.facts],
    lease: lease?.value,
    chain: stand.chain.at(tokenId)?.state,
    sent: stand.provisioner.sent,
    ready: row !== undefined && row.destroyedAt === null && row.activateIntentAt !== null,
  }
}

planSuite<VmWork>(
  'create',
  async (): Promise<PlanUnderTest<VmWork>> => {
    const stand = await Stand.open()
    const id = stand.chain.buy()
    return {
      steps: createSteps,
      context: await workOn(stand, id),
      world: () => worldOf(stand, id),
      revive: () => workOn(stand, id),
      cleanUp: () => stand.store.close(),
    }
  },
  { steps: ['addresses', 'disk', 'start', 'guest-report', 'sshd', 'intent', 'activate'], undoes: false },
)

describe('undo of a create', () => {
  const request = async (stand: Stand, until: string) => {
    const context = await workOn(stand, stand.chain.buy())
    const at = createSteps.findIndex((s) => s.name === until)
    const ports = { tasks: stand.store.tasks, clock: stand.clock }
    await runTask({ kind: 'create', subject: 'vm', steps: createSteps.slice(0, at + 1), context }, ports)
    return undoTask({ kind: 'create', subject: 'vm', steps: createSteps, context }, ports)
  }

  for (const step of ['intent', 'activate']) {
    test(`is denied after ${step}: from then on it is a destroy under the taking rule`, async () => {
      const stand = await Stand.open()
      const record = await request(stand, step)
      assert.deepEqual([record.state, record.error?.code], ['failed', 'not-in-this-state'])
      assert.equal(stand.vm(1n)?.state, 'running')
      assert.equal((await stand.store.addresses.list('ssh-port')).length, 1)
    })
  }

  for (const step of ['addresses', 'disk', 'start', 'guest-report', 'sshd']) {
    test(`is free after ${step}, and leaves nothing`, async () => {
      const stand = await Stand.open()
      assert.equal((await request(stand, step)).state, 'undone')
      assert.equal(stand.vm(1n), undefined)
      assert.deepEqual(await stand.store.addresses.list('ssh-port'), [])
      assert.deepEqual(await stand.store.vms.list(), [])
    })
  }
})

describe('a create is denied, and activates nothing', () => {
  const denials: [string, (stand: Stand) => void][] = [
    ['once the purchase was refunded', (stand) => stand.chain.endFor(1n)],
    [
      'once the id belongs to another purchase',
      (stand) => {
        stand.chain.reorganise(1)
        stand.chain.buy(bob)
      },
    ],
  ]
  for (const [name, happen] of denials) {
    test(name, async () => {
      const stand = await Stand.open()
      const context = await workOn(stand, stand.chain.buy())
      happen(stand)
      const record = await runTask(
        { kind: 'create', subject: 'vm', steps: createSteps, context },
        { tasks: stand.store.tasks, clock: stand.clock },
      )
      assert.deepEqual([record.state, record.error?.code], ['failed', 'not-in-this-state'])
      assert.deepEqual([stand.provisioner.sent, stand.hypervisor.calls], [[], []])
    })
  }
})
