import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCidr } from 'wireguard-ts/address'
import { generateKeyPair } from 'wireguard-ts/key'
import { radvdText } from './announcements.ts'
import { checkGrant, type Grant, type GrantFacts } from './grant.ts'

const now = 1_800_000_000
const good: Grant = {
  broker: { id: '1:0xregistry:1', pool: parseCidr('2a01:7e00:a00::/40') },
  prefix: parseCidr('2a01:7e00:a05:77::/64'),
  publicKey: generateKeyPair().publicKey,
  endpoint: { host: 'broker.example.net', port: 51_820 },
  gateway: '2a01:7e00:a00::1',
  mtu: 1420,
  zone: 'v6.example.net',
  from: now,
  until: now + 86_400,
  graceUntil: now + 2 * 86_400,
  saidAt: now,
}
const facts = (addresses: readonly string[] = ['45.33.32.2']): GrantFacts => ({
  now,
  ownNetworks: [parseCidr('10.77.0.0/16'), parseCidr('2a01:7e00:aff::/64')],
  leased: [parseCidr('2a01:7e00:a06::/64')],
  lookUp: async () => addresses,
})
const year = 365 * 86_400

const denials: [string, Partial<Grant>, RegExp, GrantFacts?][] = [
  ['a documentation prefix', { prefix: parseCidr('2001:db8::/64') }, /2001:db8::\/64.*documentation/],
  ['a newer documentation prefix', { prefix: parseCidr('3fff:5::/64') }, /documentation/],
  ['a unique local prefix', { prefix: parseCidr('fd12:3456::/64') }, /unique local/],
  ['a link-local prefix', { prefix: parseCidr('fe80::/64') }, /link-local/],
  ['a 6to4 prefix', { prefix: parseCidr('2002:c000:200::/64') }, /6to4/],
  ['an IPv4 range', { prefix: parseCidr('45.33.0.0/16') }, /no IPv6 prefix/],
  ['somebody else’s prefix', { prefix: parseCidr('2620:fe::/64') }, /not in its pool.*somebody else/],
  ['more than its pool', { prefix: parseCidr('2a01:7e00::/32') }, /not in its pool/],
  ['a prefix this host is in', { prefix: parseCidr('2a01:7e00:aff::/64') }, /overlaps 2a01:7e00:aff::\/64/],
  ['a prefix that holds another lease', { prefix: parseCidr('2a01:7e00:a06::/56') }, /overlaps 2a01:7e00:a06::\/64/],
  ['its own address inside your prefix', { gateway: '2a01:7e00:a05:77::1' }, /own address/],
  ['an MTU that carries no IPv6', { mtu: 1279 }, /1279/],
  ['a clock five years ahead', { saidAt: now + 5 * year }, /2032.*2027/],
  ['a clock years behind', { saidAt: 0 }, /1970.*2027/],
  ['a lease that is over', { from: now - 20, until: now - 10 }, /is over/],
  ['a lease with times that are none', { until: Number.NaN }, /NaN/],
  ['a name that has no address yet', {}, /broker\.example\.net has no address yet/, facts([])],
  ['a name at a private address', {}, /192\.168\.1\.1, which is private/, facts(['192.168.1.1'])],
  ['a name with one private address among public ones', {}, /fd00::1, which is unique local/, facts(['45.33.32.2', 'fd00::1'])],
  ['the address of this machine itself', { endpoint: { host: '127.0.0.1', port: 1 } }, /loopback/],
]
for (const [what, change, detail, seen] of denials) {
  test(`denies ${what}, with what was seen and what to do`, async () => {
    await assert.rejects(
      checkGrant({ ...good, ...change }, seen ?? facts()),
      (error: { code: string; detail: string; hint: string }) => {
        assert.match(error.code, /^broker-(?:offer-refused|clock-off)$/)
        assert.match(error.detail, detail)
        assert.ok(error.hint.length > 10)
        return true
      },
    )
  })
}

test('denies a name whose look-up fails', async () => {
  const failing = { ...facts(), lookUp: () => Promise.reject(new Error('SERVFAIL')) }
  await assert.rejects(checkGrant(good, failing), { code: 'broker-offer-refused' })
})

test('takes a good grant and answers with the address to use', async () => {
  assert.deepEqual(await checkGrant(good, facts()), { host: '45.33.32.2', port: 51_820 })
  assert.deepEqual(await checkGrant({ ...good, endpoint: { host: '2a01:7e00::2', port: 9 } }, facts()), {
    host: '2a01:7e00::2',
    port: 9,
  })
})

test('what radvd is told', (t) => {
  t.assert.snapshot(
    radvdText('fhbr0', [
      { prefix: good.prefix, validSeconds: 7200, preferredSeconds: 1800, mtu: 1420 },
      { prefix: parseCidr('2a01:7e00:b00:77::/64'), validSeconds: 7200, preferredSeconds: 0, mtu: 1400 },
    ]),
  )
  t.assert.snapshot(radvdText('fhbr0', []))
})
