import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { vmActionSchema, vmStateSchema } from '../api/schemas/vms.ts'
import { actionsOf, allVmActions, reasonAgainst, vmActions, type ActionFacts } from './vm-actions.ts'
import { vmStateOf, vmStates, type VmState, type VmStateFacts } from './vm-state.ts'

const facts: ActionFacts = { state: 'running', snapshots: ['snapshot'], busy: false, capabilities: undefined }

describe('actions of a VM', () => {
  test('are those of the API, and so are the states', () => {
    assert.deepEqual([...allVmActions].toSorted(), [...vmActionSchema.options].toSorted())
    assert.deepEqual([...vmStates], vmStateSchema.options)
  })

  test('O3: each action in each state is allowed by the table or denied with a reason', () => {
    for (const action of allVmActions) {
      for (const state of vmStates) {
        const allowed = (vmActions[action] as readonly VmState[]).includes(state)
        const reason = reasonAgainst(action, { ...facts, state })
        assert.equal(reason === null, allowed, `${action} in ${state}`)
        if (reason !== null) assert.match(reason, /: only for [a-z, ]+ VMs; this one is [a-z ]+\.$/)
      }
    }
  })

  const denials: [string, Partial<ActionFacts>, Parameters<typeof reasonAgainst>[0], string][] = [
    ['start of a running VM', {}, 'start', 'Start: only for stopped VMs; this one is running.'],
    [
      'reinstall while suspended',
      { state: 'suspended' },
      'reinstall',
      'Reinstall: only for running, stopped or missing VMs; this one is suspended.',
    ],
    ['rollback without a snapshot', { snapshots: [] }, 'rollback', 'Roll back: there is no snapshot yet.'],
    ['a second job', { busy: true }, 'stop', 'Work on this VM is going on; wait until it has ended.'],
    [
      'a snapshot where the host takes none',
      { capabilities: { snapshots: false, console: true } },
      'snapshot',
      'This host takes no snapshots.',
    ],
    [
      'a console where the host has none',
      { capabilities: { snapshots: true, console: false } },
      'console',
      'This host offers no serial console.',
    ],
  ]
  for (const [name, changes, action, reason] of denials) {
    test(`denies ${name}`, () => assert.equal(reasonAgainst(action, { ...facts, ...changes }), reason))
  }

  test('the console stays open to a VM at work', () => {
    assert.equal(actionsOf({ ...facts, busy: true }).find((a) => a.action === 'console')?.allowed, true)
  })

  test('pages may import both files: nothing of node: in them', () => {
    for (const file of ['vm-actions.ts', 'vm-state.ts']) {
      const text = readFileSync(join(import.meta.dirname, file), 'utf8')
      for (const [, from = ''] of text.matchAll(/^import (?!type).*from '(.+)'/gm)) assert.fail(`${file} imports ${from}`)
    }
  })
})

describe('the word for a VM', () => {
  const present = (power: 'running' | 'stopped' | 'crashed' | 'unknown') => ({ kind: 'present' as const, power })
  const table: [VmState, Partial<VmStateFacts>][] = [
    ['waiting-for-confirmation', { entitlement: 'pending', confirmed: false, vm: { kind: 'absent' } }],
    ['preparing', { entitlement: 'pending', vm: present('running') }],
    ['running', {}],
    ['stopped', { vm: present('stopped') }],
    ['stopped', { vm: present('crashed') }],
    ['missing', { vm: { kind: 'absent' } }],
    ['unknown', { vm: { kind: 'unknown' } }],
    ['unknown', { vm: present('unknown') }],
    ['suspended', { entitlement: 'grace', vm: present('stopped') }],
    ['suspended', { entitlement: 'grace' }],
    ['missing', { entitlement: 'grace', vm: { kind: 'absent' } }],
    ['ending', { entitlement: 'graceOver', vm: present('stopped') }],
    ['ending', { entitlement: 'ended', vm: present('stopped') }],
    ['ending', { entitlement: 'ended', vm: { kind: 'unknown' } }],
    ['ended', { entitlement: 'ended', vm: { kind: 'absent' } }],
  ]
  for (const [word, changes] of table) {
    test(`${word}: ${JSON.stringify(changes)}`, () => {
      assert.equal(vmStateOf({ entitlement: 'active', confirmed: true, vm: present('running'), ...changes }), word)
    })
  }
})
