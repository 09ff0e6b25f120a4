import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pageOf } from './inventory.ts'
import type { Way } from './open-client.ts'

const way = (host: string, port = 8006): Way => ({
  endpoint: { host, port },
  pin: { kind: 'authority', pem: '', name: '' },
})

test('O11 a VM’s page on the server is named with the node that is asked first', () => {
  assert.equal(pageOf(10_001, []), undefined)
  assert.equal(pageOf(10_001, [way('192.0.2.1'), way('192.0.2.2')]), 'https://192.0.2.1:8006/#v1:0:=qemu%2F10001')
  assert.equal(pageOf(7, [way('pve.example.org', 443)]), 'https://pve.example.org:443/#v1:0:=qemu%2F7')
  assert.equal(pageOf(7, [way('2001:db8::1')]), 'https://[2001:db8::1]:8006/#v1:0:=qemu%2F7')
})
