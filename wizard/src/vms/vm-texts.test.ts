import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fill, type MessageValues } from '../messages/catalogue.ts'
import { en } from '../messages/en.ts'
import { phaseText } from './phase-text.ts'
import { taskName } from './task-name.ts'
import { noteOf } from './vm-texts.ts'

const t = (key: keyof typeof en, values: MessageValues = {}) => fill(en[key], 'en', values)

type Facts = Parameters<typeof noteOf>[0]
const vm = (state: Facts['state'], entitlement: Facts['subscription']['entitlement'], note: string | null = 'Said.') =>
  ({ state, note, subscription: { entitlement } }) as Facts

test('X19 what the host notes about a VM is said in the words of the page, and only where the host notes something', () => {
  assert.equal(noteOf(vm('missing', 'active')), 'note.missing')
  assert.equal(noteOf(vm('stopped', 'active')), 'note.stopped')
  assert.equal(noteOf(vm('stopped', 'active', null)), undefined)
  assert.equal(noteOf(vm('running', 'active')), undefined)
})

test('X1 what can still be saved and what only waits for the network are two notes', () => {
  assert.equal(noteOf(vm('ending', 'graceOver')), 'note.ending')
  assert.equal(noteOf(vm('ending', 'ended')), 'note.final')
})

test('X19 work and its steps have words; what is not known is shown by its name', () => {
  assert.equal(taskName('create', t), 'Create')
  assert.equal(taskName('something-new', t), 'something-new')
  assert.equal(phaseText('addresses', t, 'create'), 'Reserving addresses')
  assert.equal(phaseText('addresses', t, 'destroy'), 'Releasing addresses')
  assert.equal(phaseText('something-new', t), 'At work: something-new')
})
