import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import type { Address } from '../chain/subscription.ts'
import { holder, otherWallet } from '../sign-in/test-stand.ts'
import type { TaskRecord } from '../steps/step.ts'
import { allVmActions } from '../vms/vm-actions.ts'
import type { HostFacts } from './facts.ts'
import type { LoginRequestView } from './schemas/sign-in.ts'
import { vmSchema } from './schemas/vms.ts'
import { approvalOf, apiStand, type Answer, type ApiStand, type TestClient } from './test-stand.ts'

/** How things stand at a VM. `lies`: facts of the hypervisor and of its jobs. */
interface Situation {
  name: string
  /** Who presses; default: the holder. */
  by?: 'operator' | 'new holder'
  stale?: boolean
  expired?: boolean
  facts?: (facts: HostFacts, vmId: string) => Partial<HostFacts>
}

const power = (state: 'running' | 'stopped', snapshots: readonly string[]) => (facts: HostFacts, vmId: string) => {
  const record = facts.records?.get(vmId)
  assert.ok(record !== undefined)
  return { records: new Map([[vmId, { ...record, state, snapshots: [...snapshots] }]]) }
}
const busy = (_: HostFacts, vmId: string): Partial<HostFacts> => ({ tasks: new Map([[vmId, aTask(vmId)]]) })

const situations: readonly Situation[] = [
  { name: 'running', facts: power('running', ['before']) },
  { name: 'running without a snapshot', facts: power('running', []) },
  { name: 'stopped', facts: power('stopped', ['before']) },
  { name: 'missing from the hypervisor', facts: () => ({ records: new Map() }) },
  { name: 'on a hypervisor that does not answer', facts: () => ({ records: null }) },
  { name: 'with work going on', facts: busy },
  { name: 'past its time, still running', expired: true, facts: power('running', ['before']) },
  { name: 'of a host that hears nothing of the chain', stale: true, facts: power('running', ['before']) },
  { name: 'of a holder whose pass is not confirmed yet', by: 'new holder', facts: power('running', ['before']) },
  { name: 'looked at by the operator', by: 'operator', facts: power('running', ['before']) },
  { name: 'stopped, looked at by the operator', by: 'operator', facts: power('stopped', ['before']) },
  { name: 'past its time, looked at by the operator', by: 'operator', expired: true, facts: power('running', ['before']) },
  { name: 'past its time, stopped', expired: true, facts: power('stopped', ['before']) },
]

suite('P7 a button never offers what the service may not do', () => {
  let stand: ApiStand
  let vmId = ''
  before(async () => {
    stand = await apiStand()
  })
  beforeEach(async () => {
    stand.chain.heads = { ...stand.chain.heads, stale: false }
    stand.chain.set({})
    vmId = await stand.putVm()
    await stand.refresh()
  })
  after(() => stand.close())

  /** Presses a button as the page does: with a signature of its own where one is needed. */
  async function press(client: TestClient, action: string, signs: boolean): Promise<Answer> {
    if (!signs || (action !== 'reinstall' && action !== 'rollback'))
      return await client.call('POST', `/v1/vms/${vmId}/actions`, { body: { action } })
    const begun = await client.call('POST', '/v1/login-requests', { body: { act: action, vmId } })
    const view = begun.body as unknown as LoginRequestView
    if (begun.status >= 300) return await client.call('POST', `/v1/vms/${vmId}/actions`, { body: { action } })
    await client.call('POST', `/v1/login-requests/${view.code}/approval`, { body: await approvalOf(view, holder) })
    return await client.call('POST', `/v1/vms/${vmId}/actions`, { body: { action, requestId: view.requestId } })
  }

  for (const { name, by, stale, expired, facts } of situations) {
    test(`P7 pressed one by one at a VM that is ${name}: what is offered begins, what is not is refused with the reason shown`, async () => {
      const client = await stand.signedIn(by === undefined ? holder : otherWallet)
      const { giving } = stand.chain
      assert.ok(giving !== undefined)
      if (by === 'new holder')
        stand.chain.latestSubscription = { ...giving, holder: otherWallet.address.toLowerCase() as Address }
      if (stale === true) stand.chain.heads = { ...stand.chain.heads, stale: true }
      if (expired === true) stand.chain.set({ expiresAt: stand.chain.heads.latest.timestamp - 1 })
      await stand.refresh()
      const changes = facts?.(stand.facts, vmId) ?? {}
      // whoever holds pass 0
      const operator = otherWallet.address.toLowerCase() as Address
      const contracts = stand.facts.contracts.map(({ latest, giving: settled }) => ({
        latest: { ...latest, operator },
        giving: { ...settled, operator },
      }))
      await stand.refresh({ ...changes, ...(by === 'operator' && { contracts }) })
      const { actions } = vmSchema.parse((await client.call('GET', `/v1/vms/${vmId}`)).body)
      assert.deepEqual(
        actions.map(({ action }) => action),
        allVmActions,
      )
      for (const { action, allowed, reason } of actions) {
        // the console has a door of its own; over this call it is never begun
        if (action === 'console' && allowed) continue
        const before = stand.performed.length
        const answer = await press(client, action, allowed)
        if (allowed) {
          assert.equal(answer.status, 202, `${action} is offered: ${answer.text}`)
          assert.equal(stand.performed.length, before + 1)
        } else {
          assert.ok([403, 409, 503].includes(answer.status), `${action}: ${answer.text}`)
          assert.equal(answer.body['detail'], reason)
          assert.equal(stand.performed.length, before)
        }
      }
    })
  }
})

function aTask(vmId: string): TaskRecord {
  return {
    taskId: 'going-on',
    kind: 'reboot',
    subject: vmId,
    state: 'running',
    steps: [],
    error: null,
    attempt: 1,
    createdAt: 0,
    endedAt: null,
  } as unknown as TaskRecord
}
