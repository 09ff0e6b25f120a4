import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { parseCidr } from './address.ts'
import type { DeviceConfig } from './config.ts'
import type { WireGuardDevice } from './device.ts'
import { diffDevice, isEmpty } from './diff.ts'
import { generateKeyPair, generatePresharedKey, publicKeyOf, secretTag } from './key.ts'
import { rotatePeerKey, rotatePresharedKey } from './rotation.ts'

const own = generateKeyPair()
const [alice, bob] = [generateKeyPair().publicKey, generateKeyPair().publicKey]
const psk = generatePresharedKey()
const config: DeviceConfig = {
  privateKey: own.privateKey,
  listenPort: 51999,
  peers: [
    {
      publicKey: alice,
      allowedIps: [parseCidr('10.9.0.2'), parseCidr('fd00:9:0:2::/64')],
      presharedKey: psk,
      persistentKeepaliveSeconds: 25,
    },
    { publicKey: bob, allowedIps: [parseCidr('10.9.0.3/32')], endpoint: { host: '127.0.0.1', port: 9 } },
  ],
}

/** The contract of a device, for every twin: `open` answers an empty one for each test. */
export function deviceSuite(name: string, open: (t: TestContext) => Promise<WireGuardDevice>): void {
  suite(`${name}: a WireGuard device`, () => {
    test('takes a configuration, tells it back without secrets, and the difference is then empty', async (t) => {
      const device = await open(t)
      await device.apply(diffDevice(config, await device.read()))
      const state = await device.read()
      assert.equal(state.publicKey, publicKeyOf(own.privateKey))
      assert.equal(state.listenPort, 51999)
      const told = state.peers.find((peer) => peer.publicKey === alice)
      assert.equal(told?.presharedKeyTag, secretTag(psk))
      assert.deepEqual(told?.allowedIps.toSorted(), ['10.9.0.2/32', 'fd00:9:0:2::/64'])
      assert.equal(told?.persistentKeepaliveSeconds, 25)
      const printed = JSON.stringify(state, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
      for (const secret of [own.privateKey, psk]) assert.ok(!printed.includes(secret))
      assert.ok(isEmpty(diffDevice(config, state)))
    })

    test('an update of a peer that is gone creates nothing', async (t) => {
      const device = await open(t)
      await device.apply({
        privateKey: own.privateKey,
        peers: [{ kind: 'update', publicKey: bob, persistentKeepaliveSeconds: 5 }],
      })
      assert.deepEqual((await device.read()).peers, [])
    })

    test('a network moves with the removal of its former peer in one change', async (t) => {
      const device = await open(t)
      await device.apply(diffDevice(config, await device.read()))
      await device.apply({
        peers: [
          { kind: 'update', publicKey: bob, allowedIps: [parseCidr('10.9.0.3'), parseCidr('10.9.0.2')] },
          { kind: 'remove', publicKey: alice },
        ],
      })
      const { peers } = await device.read()
      assert.deepEqual(
        peers.map((peer) => [peer.publicKey, peer.allowedIps.toSorted()]),
        [[bob, ['10.9.0.2/32', '10.9.0.3/32']]],
      )
    })

    test('a key is rotated with endpoint and networks kept, a preshared key set and cleared', async (t) => {
      const device = await open(t)
      await device.apply(diffDevice(config, await device.read()))
      const next = generateKeyPair().publicKey
      await rotatePeerKey(device, bob, { publicKey: next })
      await rotatePresharedKey(device, next, psk)
      const rotated = (await device.read()).peers.find((peer) => peer.publicKey === next)
      assert.deepEqual(rotated?.endpoint, { host: '127.0.0.1', port: 9 })
      assert.deepEqual(rotated?.allowedIps, ['10.9.0.3/32'])
      assert.equal(rotated?.presharedKeyTag, secretTag(psk))
      assert.equal(
        (await device.read()).peers.some((peer) => peer.publicKey === bob),
        false,
      )
      await device.apply({ peers: [{ kind: 'update', publicKey: next, presharedKey: null }] })
      assert.equal((await device.read()).peers.find((peer) => peer.publicKey === next)?.presharedKeyTag, null)
      await assert.rejects(rotatePeerKey(device, bob, { publicKey: next }), { code: 'bad-config' })
    })
  })
}
