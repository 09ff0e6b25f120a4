import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCidr, parseInterfaceAddress } from 'wireguard-ts/address'
import { generateKeyPair } from 'wireguard-ts/key'
import { defaultClosedPorts, type DataPathSettings, type Lease } from '../types.ts'
import { checkLeases, checkSettings } from './check-leases.ts'
import { elementLines, joined } from './nft-table.ts'
import { baseRules, elementsOf } from './rules.ts'

const keys = generateKeyPair()
const settings: DataPathSettings = {
  interfaceName: 'wgb',
  uplink: 'eth0',
  pool: parseCidr('2a01:7e00:a00::/48'),
  mode: 'routed',
  ownAddress: parseInterfaceAddress('2a01:7e00:a00::1/128'),
  listenPort: 51_820,
  privateKey: keys.privateKey,
  mtu: 1420,
  hostToHost: false,
  openPorts: { tcp: [22], udp: [] },
}
let made = 0
const lease = (more: Partial<Lease> = {}): Lease => ({
  id: `l-${(made += 1).toString(16).padStart(16, '0')}` as Lease['id'],
  identity: '0123456789ab' as Lease['identity'],
  prefix: parseCidr(`2a01:7e00:a00:${(0x100 + made).toString(16)}::/64`),
  peerKey: generateKeyPair().publicKey,
  closed: defaultClosedPorts,
  suspended: false,
  from: 0,
  until: 1,
  graceUntil: 2,
  ...more,
})
const refused = (work: () => void, detail: RegExp, hint = /./) => {
  assert.throws(work, (error: { code: string; detail: string; hint: string }) => {
    assert.equal(error.code, 'broker-data-path-failed')
    assert.match(error.detail, detail)
    assert.match(error.hint, hint)
    return true
  })
}

for (const [pool, name] of [
  ['2001:db8:1::/48', 'documentation'],
  ['3fff:1::/48', 'documentation'],
  ['fd00:1::/48', 'unique local'],
  ['fe80::/48', 'link-local'],
  ['2002:a00::/48', '6to4'],
  ['2001:0:5::/48', 'Teredo'],
  ['ff02::/48', 'multicast'],
] as const) {
  test(`refuses the pool ${pool}: ${name}`, () => {
    const changed = { ...settings, pool: parseCidr(pool) }
    refused(() => checkSettings(changed), new RegExp(`${pool}.*${name}`), /your provider/)
  })
}

test('refuses settings that cannot work, with what was seen', () => {
  refused(() => checkSettings({ ...settings, pool: parseCidr('203.0.113.0/24') }), /IPv4/)
  refused(() => checkSettings({ ...settings, ownAddress: parseInterfaceAddress('2a01::1/128') }), /not in the pool/)
  refused(() => checkSettings({ ...settings, mtu: 1279 }), /1279/, /1280/)
  refused(() => checkSettings({ ...settings, uplink: 'eth0"; flush' }), /no interface name/)
  refused(() => checkSettings({ ...settings, listenPort: 0 }), /port 0/)
})

test('refuses leases that overlap, lie outside the pool, or hold the broker’s own address', () => {
  const wide = lease({ prefix: parseCidr('2a01:7e00:a00:200::/56') })
  refused(
    () => checkLeases(settings, [lease({ prefix: parseCidr('2a01:7e00:a00:205::/64') }), wide]),
    /205::\/64.*lies in.*200::\/56/,
  )
  refused(() => checkLeases(settings, [wide, { ...lease(), prefix: wide.prefix }]), /lies in/)
  refused(() => checkLeases(settings, [lease({ prefix: parseCidr('2a01:7e00:a01::/64') })]), /somebody else’s/)
  refused(() => checkLeases(settings, [lease({ prefix: parseCidr('2a01:7e00::/40') })]), /somebody else’s/)
  refused(() => checkLeases(settings, [lease({ prefix: parseCidr('2a01:7e00:a00::/64') })]), /own address/)
})

test('refuses a key or an id twice, the broker’s own key, odd ports and caps', () => {
  const one = lease()
  refused(() => checkLeases(settings, [one, lease({ peerKey: one.peerKey })]), /key of l-/, /fresh key/)
  refused(() => checkLeases(settings, [lease({ peerKey: keys.publicKey })]), /broker’s own/)
  refused(() => checkLeases(settings, [one, lease({ id: one.id })]), /stands twice/)
  refused(() => checkLeases(settings, [lease({ id: 'l-1; drop' as Lease['id'] })]), /names no lease/)
  refused(() => checkLeases(settings, [lease({ closed: { tcp: [0], udp: [] } })]), /0 is no port/)
  refused(() => checkLeases(settings, [lease({ rateCapBytesPerSecond: 1.5 })]), /1\.5 bytes/)
})

test('an on-link pool leases prefixes that can be announced address by address, no larger ones', () => {
  const onLink: DataPathSettings = { ...settings, mode: 'on-link' }
  refused(() => checkLeases(onLink, [lease()]), /announced on the uplink/, /\/116/)
  checkLeases(onLink, [lease({ prefix: parseCidr('2a01:7e00:a00:1::100/120') })])
})

test('the order of leases changes nothing, and a lease alike in all is one line in each set', () => {
  const leases = [lease(), lease({ suspended: true, rateCapBytesPerSecond: 50_000 }), lease({ closed: { tcp: [], udp: [] } })]
  const lines = elementLines(elementsOf(leases), undefined).map((line) => line.text)
  assert.deepEqual(
    elementLines(elementsOf(leases.toReversed()), undefined)
      .map((line) => line.text)
      .toSorted(),
    lines.toSorted(),
  )
  assert.equal(lines.filter((line) => line.includes(' element ')).length, 3 + 3 + 1 + 2 + 2)
  assert.equal(joined(elementLines(elementsOf(leases), undefined)).filter((line) => line.includes(' element ')).length, 6)
})

test('the rules as they are written', (t) => {
  t.assert.snapshot(baseRules(settings))
  t.assert.snapshot(baseRules({ ...settings, hostToHost: true, openPorts: { tcp: [443, 22, 22], udp: [53] } }))
})
