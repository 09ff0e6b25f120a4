import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isDirect, othersOnLoopback } from './direct.ts'

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
      assert.equal(
        isDirect({ source, behindLoopbackForward, seenInGuest: false, cookieHash: null }, { address, cookieHash: null }, false),
        direct,
      )
    })
  }
  const elsewhere = { source: '203.0.113.7', behindLoopbackForward: false, seenInGuest: false }
  test('no: the cookie of another browser', () => {
    assert.equal(isDirect({ ...elsewhere, cookieHash: 'a' }, { address: '198.51.100.1', cookieHash: 'b' }, false), false)
  })
  test('no: neither side has a cookie', () => {
    assert.equal(isDirect({ ...elsewhere, cookieHash: null }, { address: '198.51.100.1', cookieHash: null }, false), false)
  })
  test('yes: the browser that asked, wherever it is now', () => {
    assert.equal(isDirect({ ...elsewhere, cookieHash: 'a' }, { address: '198.51.100.1', cookieHash: 'a' }, true), true)
  })

  const browser = { address: '127.0.0.1', cookieHash: null }
  for (const source of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1']) {
    for (const behindLoopbackForward of [false, true]) {
      test(`no: ${source} as a guest's sshd saw it, ${behindLoopbackForward ? 'embedded' : 'installed'}: the guest's own loopback`, () => {
        assert.equal(isDirect({ source, behindLoopbackForward, seenInGuest: true, cookieHash: null }, browser, false), false)
      })
    }
  }
  const gateway = { source: '10.0.2.2', behindLoopbackForward: true, seenInGuest: true, cookieHash: null }
  test("yes: a guest's loopback forward, and a browser of the host", () => {
    assert.equal(isDirect(gateway, browser, false), true)
  })
  test("no: a guest's loopback forward, and a command of the host, where somebody else's VM dials the same loopback", () => {
    assert.equal(isDirect(gateway, browser, true), false)
    assert.equal(isDirect({ ...gateway, source: '127.0.0.1', seenInGuest: false }, browser, true), false)
  })
  test('yes: one address, whoever shares the loopback', () => {
    assert.equal(isDirect({ ...elsewhere, cookieHash: null }, { address: '203.0.113.7', cookieHash: null }, true), true)
  })
})

suite('whose VMs are behind the loopback', () => {
  const vm = (tokenId: bigint): [string, { installation: string; tokenId: bigint }] => [
    `i-${tokenId}`,
    { installation: 'i', tokenId },
  ]
  const facts = (...holders: (string | undefined)[]) => ({
    vms: new Map(holders.map((_, i) => vm(BigInt(i)))),
    contracts: [
      {
        latest: {
          installation: 'i',
          subscriptions: new Map(
            holders.flatMap((holder, i) => (holder === undefined ? [] : [[BigInt(i), { holder }] as const])),
          ),
        },
      },
    ],
  })
  const rows: [string, ReturnType<typeof facts>, string | null, boolean][] = [
    ['none', facts(), '0xa', false],
    ['my own', facts('0xA', '0xa'), '0xa', false],
    ["somebody else's", facts('0xa', '0xb'), '0xa', true],
    ['one that has ended and still runs', facts('0xa', undefined), '0xa', true],
    ['one, and it is not known who asks', facts('0xa'), null, true],
    ['of a contract that is not read', { ...facts('0xa'), contracts: [] }, '0xa', true],
  ]
  for (const [name, given, wallet, others] of rows) {
    test(`${others ? 'shared' : 'alone'}: ${name}`, () => assert.equal(othersOnLoopback(given, wallet), others))
  }
})
