import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  canonicalAddress,
  endpointText,
  overlap,
  parseCidr,
  parseEndpoint,
  parseInterfaceAddress,
  specialRangeOf,
} from './address.ts'

suite('addresses', () => {
  for (const text of [
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '10.0.0.0/08',
    '::/129',
    'fe80::1%eth0/64',
    '10.0.0.1/24/24',
    '10.0.0.1 /24',
    '1.2.3.4\n',
    'a.b.c.d',
    ':::/0',
    '::ffff:1.2.3.400/128',
  ]) {
    test(`refuses ${JSON.stringify(text)} as a network`, () => assert.throws(() => parseCidr(text), { code: 'bad-address' }))
  }
  for (const text of [
    'host',
    'host:0',
    'host:65536',
    '::1:51820',
    '[::1]',
    '[::g]:1',
    'a b:1',
    'host:1\n',
    '1.2.3:5',
    '300.1.1.1:5',
    ':5',
    '[fe80::1%e th]:5',
  ]) {
    test(`refuses ${JSON.stringify(text)} as an endpoint`, () =>
      assert.throws(() => parseEndpoint(text), { code: 'bad-endpoint' }))
  }

  test('clears host bits of networks and keeps those of interface addresses', () => {
    assert.equal(parseCidr('10.1.2.3/8'), '10.0.0.0/8')
    assert.equal(parseCidr('2001:DB8::1/64'), '2001:db8::/64')
    assert.equal(parseCidr('10.1.2.3'), '10.1.2.3/32')
    assert.equal(parseInterfaceAddress('2001:db8:0:0::1/64'), '2001:db8::1/64')
    assert.equal(parseCidr('0.0.0.0/0'), '0.0.0.0/0')
    assert.equal(parseCidr('::/0'), '::/0')
  })

  test('writes IPv6 as RFC 5952 says', () => {
    for (const [text, wanted] of [
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:0db8::0001', '2001:db8::1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
      ['::ffff:192.0.2.1', '::ffff:c000:201'],
      ['1:2:3:4:5:6:7:0', '1:2:3:4:5:6:7:0'],
      ['0:0:1::', '0:0:1::'],
    ] as const) {
      assert.equal(canonicalAddress(text), wanted)
    }
  })

  test('any IPv6 address keeps its value and its canonical text is stable', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const once = canonicalAddress(text)
        assert.ok(isIPv6(once))
        assert.equal(canonicalAddress(once), once)
        assert.equal(new URL(`http://[${text.replace(/^(.*:)(\d+\.\d+\.\d+\.\d+)$/, (all) => all)}]`).hostname, `[${once}]`)
      }),
      { numRuns: 2000 },
    )
  })

  test('endpoints go to text and back', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), fc.integer({ min: 1, max: 65535 }), (host, port) => {
        const parsed = parseEndpoint(endpointText({ host, port }))
        assert.deepEqual(parseEndpoint(endpointText(parsed)), parsed)
      }),
    )
  })

  test('names ranges that are nobody’s to give, and sees overlaps both ways', () => {
    assert.equal(specialRangeOf(parseCidr('2001:db8:1::/48')), 'documentation')
    assert.equal(specialRangeOf(parseCidr('fd00::/8')), 'unique local')
    assert.equal(specialRangeOf(parseCidr('2002::/20')), '6to4')
    assert.equal(specialRangeOf(parseCidr('2a00:1450::/32')), undefined)
    assert.ok(
      overlap(parseCidr('10.0.0.0/8'), parseCidr('10.1.0.0/16')) && overlap(parseCidr('10.1.0.0/16'), parseCidr('10.0.0.0/8')),
    )
    assert.ok(!overlap(parseCidr('10.0.0.0/8'), parseCidr('::/0')))
  })
})
