import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isDirect } from './direct.ts'

const rows: readonly [name: string, source: string, browser: string, forward: boolean, direct: boolean][] = [
  ['another IPv4', '203.0.113.7', '203.0.113.8', false, false],
  ['another IPv4 of one /24', '203.0.113.7', '203.0.113.70', false, false],
  ['another /64', '2001:db8:0:1::7', '2001:db8:0:2::7', false, false],
  ['IPv4 and IPv6', '203.0.113.7', '2001:db8::7', false, false],
  ['not an address', 'terminal', 'terminal', false, false],
  ['nothing', '', '', false, false],
  ['unknown peer', 'unknown', 'unknown', false, false],
  ['link-local addresses, which are alike everywhere', 'fe80::1', 'fe80::1', false, false],
  ['a zone', 'fe80::1%eth0', 'fe80::1%eth0', false, false],
  ['the gateway of user networking on an installed host', '10.0.2.2', '127.0.0.1', false, false],
  ['another private address in embedded mode', '10.0.2.3', '127.0.0.1', true, false],
  ['the gateway, and a browser elsewhere', '10.0.2.2', '203.0.113.7', true, false],
  ['one IPv4', '203.0.113.7', '203.0.113.7', false, true],
  ['IPv4 as mapped by a dual-stack socket', '203.0.113.7', '::ffff:203.0.113.7', false, true],
  ['one /64', '2001:db8:0:1::7', '2001:db8:0:1:ffff::1', false, true],
  ['one address in two spellings', '2001:DB8::7', '2001:db8:0:0:0:0:0:7', false, true],
  ['loopback with loopback', '127.0.0.1', '::1', false, true],
  ["embedded mode's loopback forward", '10.0.2.2', '127.0.0.1', true, true],
  ["embedded mode's loopback forward over IPv6", '10.0.2.2', '::1', true, true],
]

suite('A4 an approval reaches the asker by itself', () => {
  for (const [name, source, address, behindLoopbackForward, direct] of rows) {
    test(`${direct ? 'yes' : 'no'}: ${name}`, () => {
      assert.equal(isDirect({ source, behindLoopbackForward, cookieHash: null }, { address, cookieHash: null }), direct)
    })
  }
  const elsewhere = { source: '203.0.113.7', behindLoopbackForward: false }
  test('no: the cookie of another browser', () => {
    assert.equal(isDirect({ ...elsewhere, cookieHash: 'a' }, { address: '198.51.100.1', cookieHash: 'b' }), false)
  })
  test('no: neither side has a cookie', () => {
    assert.equal(isDirect({ ...elsewhere, cookieHash: null }, { address: '198.51.100.1', cookieHash: null }), false)
  })
  test('yes: the browser that asked, wherever it is now', () => {
    assert.equal(isDirect({ ...elsewhere, cookieHash: 'a' }, { address: '198.51.100.1', cookieHash: 'a' }), true)
  })
})
