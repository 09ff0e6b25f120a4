import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { checkOwn, checkTaps, type OwnWays } from './plan.ts'
import { uplinkFiles } from './uplink.ts'
import { verbs, type GuestNet } from './verbs.ts'

const own: OwnWays = {
  own4: ['192.0.2.0/24'],
  own6: ['2001:db8:1::/64'],
  addresses: ['192.0.2.7', '2001:db8:1::2', 'fe80::5054:ff:fe00:99'],
  gateways: ['192.0.2.1', '172.31.1.1', '2001:db8:1::1'],
  cards: [
    { mac: '52:54:00:00:00:99', device: 'up0', used: true },
    { mac: 'bc:24:11:00:00:01', device: 'guests0', used: false },
  ],
}
const tap = (ipv6: string | null, ipv4 = '10.77.0.11') => ({
  installation: '0123456789ab',
  tokenId: '1',
  mac: '52:54:00:00:00:01',
  ipv4,
  ipv6,
  sshPort: null,
})
const net = (prefix: string | null, onLink = false, prefixLength = 64): GuestNet => ({
  ipv4: { gateway: '10.77.0.1', prefixLength: 16 },
  ipv6: prefix === null ? null : { prefix, prefixLength, onLink },
})

suite('P2 no guest takes the place of the host', () => {
  const denials: [string, GuestNet, ReturnType<typeof tap>[]][] = [
    ['the host’s own IPv6 address', net('2001:db8:1::', true), [tap('2001:db8:1::2')]],
    ['the router of an on-link prefix, however it is written', net('2001:db8:1::', true), [tap('2001:0db8:1:0:0:0:0:0001')]],
    ['a routed prefix that the host itself is in', net('2001:db8:1::'), []],
    ['a routed prefix around it', net('2001:db8::', false, 32), []],
    ['a piece of its prefix with the router in it', net('2001:db8:1::', false, 124), []],
    ['an IPv4 net that the host is in', { ...net(null), ipv4: { gateway: '192.0.2.200', prefixLength: 25 } }, []],
    [
      'an IPv4 net with a router outside the host’s own nets',
      { ...net(null), ipv4: { gateway: '172.31.0.1', prefixLength: 16 } },
      [],
    ],
  ]
  denials.push(
    ['a card of the guests that the host is reached by', { ...net(null), card: '52:54:00:00:00:99' }, []],
    ['a card of the guests that is not there', { ...net(null), card: '52:54:00:00:00:98' }, []],
  )
  for (const [what, guests, taps] of denials) {
    test(`denies ${what}`, () => assert.throws(() => checkOwn({ net: guests, taps }, own), { code: 'host-refused' }))
  }

  test('a card that the host has nothing to do with is taken', () =>
    checkOwn({ net: { ...net(null), card: 'bc:24:11:00:00:01' }, taps: [] }, own))

  test('a routed prefix beside it, and one that holds a single address of the host, are taken', () => {
    checkOwn({ net: net('2001:db8:2::'), taps: [tap('2001:db8:2:0:1::1')] }, own)
    const single = { ...own, own6: ['2001:db8:2::1/128'], addresses: ['2001:db8:2::1'] }
    checkOwn({ net: net('2001:db8:2::'), taps: [tap('2001:db8:2:0:1::1')] }, single)
    assert.throws(() => checkOwn({ net: net('2001:db8:2::'), taps: [tap('2001:db8:2::1')] }, single), { code: 'host-refused' })
  })

  test('P4 denies an address that two programs read differently', () => {
    for (const ipv4 of ['10.77.0.011', '010.77.0.11', '10.77.0.11\n', ' 10.77.0.11', '10.77.11', '0x0a.77.0.11']) {
      assert.ok(!verbs.setTaps.safeParse({ net: net(null), taps: [tap(null, ipv4)] }).success, JSON.stringify(ipv4))
    }
    checkTaps({ net: net(null), taps: [tap(null)] })
  })
})

test('a trial of the network is not hidden by what was kept before', () => {
  assert.ok(uplinkFiles.tried < uplinkFiles.kept)
  for (const name of Object.values(uplinkFiles)) assert.match(name, /^0\d-freehold-\w+\.network$/)
})
