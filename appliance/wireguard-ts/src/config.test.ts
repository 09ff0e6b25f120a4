import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseCidr } from './address.ts'
import { checkDevice, parseInterfaceName, routesOf, type Peer } from './config.ts'
import { generateKeyPair } from './key.ts'

const own = generateKeyPair()
const [a, b] = [generateKeyPair().publicKey, generateKeyPair().publicKey]
const peer = (publicKey: Peer['publicKey'], ...networks: string[]): Peer => ({ publicKey, allowedIps: networks.map(parseCidr) })
const check = (peers: Peer[], more = {}) => checkDevice({ privateKey: own.privateKey, peers, ...more })

suite('what a device would take in silence', () => {
  test('refuses the same network at two peers', () => {
    assert.throws(() => check([peer(a, '10.0.0.0/24'), peer(b, '10.0.0.0/24')]), { code: 'bad-config' })
  })
  test('refuses a network inside another peer’s, whichever stands first, unless it is meant', () => {
    const [wide, narrow] = [peer(a, '10.0.0.0/8'), peer(b, '10.1.0.0/16')]
    assert.throws(() => check([wide, narrow]), { code: 'bad-config' })
    assert.throws(() => check([narrow, wide]), { code: 'bad-config' })
    checkDevice({ privateKey: own.privateKey, peers: [narrow, wide] }, { overlapsMeant: true })
    assert.throws(
      () => checkDevice({ privateKey: own.privateKey, peers: [peer(a, '::/0'), peer(b, '::/0')] }, { overlapsMeant: true }),
      {
        code: 'bad-config',
      },
    )
  })
  test('refuses a peer with the key of the interface, and a peer twice', () => {
    assert.throws(() => check([peer(own.publicKey, '10.0.0.0/24')]), { code: 'bad-config' })
    assert.throws(() => check([peer(a, '10.0.0.0/24'), peer(a, '10.1.0.0/24')]), { code: 'bad-config' })
  })
  test('refuses numbers out of range', () => {
    for (const more of [{ listenPort: 65536 }, { listenPort: -1 }, { fwmark: 2 ** 32 }, { listenPort: 1.5 }]) {
      assert.throws(() => check([], more), { code: 'bad-config' })
    }
    assert.throws(() => check([{ ...peer(a), persistentKeepaliveSeconds: 70_000 }]), { code: 'bad-config' })
  })
  test('takes 5,000 peers with a network of each family', () => {
    const peers = Array.from({ length: 5000 }, (_, i) =>
      peer(
        Buffer.alloc(32, 1)
          .fill(String(i + 1))
          .toString('base64') as Peer['publicKey'],
        `10.${i >> 8}.${i & 255}.0/24`,
        `fd00:${(i + 1).toString(16)}::/32`,
      ),
    )
    check([...new Map(peers.map((one) => [one.publicKey, one])).values()])
  })
  for (const name of ['', '1wg', 'a/b', '../x', 'wg 0', 'a'.repeat(16), 'wg;id', 'wg\n']) {
    test(`refuses ${JSON.stringify(name)} as a name`, () => assert.throws(() => parseInterfaceName(name), { code: 'bad-name' }))
  }
  test('routes are the peers’ networks without default routes', () => {
    const config = { privateKey: own.privateKey, peers: [peer(a, '::/0', '10.0.0.0/24')], addresses: [] }
    assert.deepEqual(routesOf(config), ['10.0.0.0/24'])
    assert.deepEqual(routesOf({ ...config, routes: [parseCidr('::/0')] }), ['::/0'])
  })
})
