import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseUserNetwork, gatewayIn } from './user-network.ts'

const none = { slirp: false, passt: false, libvirt: '11.3.0' }

test('there is none without SLIRP and passt', () => assert.equal(chooseUserNetwork(none), undefined))
test('denies passt to a libvirt that refuses it', () =>
  assert.equal(chooseUserNetwork({ ...none, passt: true, libvirt: '9.0.0' }), undefined))
test('takes passt where QEMU has no SLIRP', () => assert.equal(chooseUserNetwork({ ...none, passt: true }), 'passt'))
test('takes SLIRP wherever it is', () => assert.equal(chooseUserNetwork({ slirp: true, passt: true, libvirt: '9.0.0' }), 'slirp'))

test('passt shows the host at the default gateway, if there is one', () => {
  const head = 'Iface\tDestination\tGateway\tFlags\n'
  assert.equal(gatewayIn(`${head}eth0\t0002000A\t00000000\t0001\n`), undefined)
  assert.equal(gatewayIn(`${head}eth0\t00000000\t0102000A\t0003\n`), '10.0.2.1')
})
