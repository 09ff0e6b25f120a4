import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseUserNetwork } from './user-network.ts'

const none = { slirp: false, passt: false, libvirt: '11.3.0' }

test('there is none without SLIRP and passt', () => assert.equal(chooseUserNetwork(none), undefined))
test('denies passt to a libvirt that refuses it', () =>
  assert.equal(chooseUserNetwork({ ...none, passt: true, libvirt: '9.0.0' }), undefined))
test('takes passt where QEMU has no SLIRP', () => assert.equal(chooseUserNetwork({ ...none, passt: true }), 'passt'))
test('takes SLIRP wherever it is', () => assert.equal(chooseUserNetwork({ slirp: true, passt: true, libvirt: '9.0.0' }), 'slirp'))
