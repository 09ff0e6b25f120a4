import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FakeWireGuard, sentinelRefuses, sentinelSilentPeer } from './fake/fake-device.ts'
import { parseCidr } from './address.ts'
import { generateKeyPair } from './key.ts'
import { sessionState, statsOf } from './stats.ts'
import { decodeGet, encodeSet, type DeviceChange } from './uapi-codec.ts'

const [a, b] = [generateKeyPair(), generateKeyPair()]

function pair(host: string) {
  const world = new FakeWireGuard()
  const [left, right] = [world.device('left'), world.device('right')]
  const join = async () => {
    await right.apply({
      privateKey: b.privateKey,
      peers: [{ kind: 'add', publicKey: a.publicKey, allowedIps: [parseCidr('10.0.0.1')] }],
    })
    await left.apply({
      privateKey: a.privateKey,
      peers: [
        {
          kind: 'add',
          publicKey: b.publicKey,
          allowedIps: [parseCidr('10.0.0.2')],
          endpoint: { host, port: 1 },
          persistentKeepaliveSeconds: 25,
        },
      ],
    })
  }
  return { world, left, right, join }
}

suite('statistics', () => {
  test('never, active, stale: by the age of the handshake', () => {
    assert.equal(sessionState(0, 1000), 'never')
    assert.equal(sessionState(900, 1000), 'active')
    assert.equal(sessionState(821, 1000), 'active')
    assert.equal(sessionState(820, 1000), 'stale')
    assert.equal(sessionState(2000, 1000), 'active')
  })

  test('a silent peer never shakes hands, a reachable one does, a crashed one grows stale', async () => {
    const silent = pair(sentinelSilentPeer)
    await silent.join()
    assert.deepEqual(
      statsOf(await silent.left.read(), silent.world.nowSeconds).map((peer) => peer.state),
      ['never'],
    )
    const { world, left, right, join } = pair('host')
    await join()
    const before = await left.read()
    assert.equal(statsOf(before, world.nowSeconds)[0]?.state, 'active')
    world.advance(30)
    const [later] = statsOf(await left.read(), world.nowSeconds, before)
    assert.deepEqual([later?.handshakeAgeSeconds, later?.sentDelta], [0, 148n])
    right.crash()
    world.advance(200)
    assert.equal(statsOf(await left.read(), world.nowSeconds)[0]?.state, 'stale')
  })

  test('counters that began anew count from zero, never negative', async () => {
    const { world, left, join } = pair('host')
    await join()
    const state = await left.read()
    const grown = { ...state, peers: state.peers.map((peer) => ({ ...peer, receivedBytes: 10n ** 12n, sentBytes: 10n ** 12n })) }
    const [stats] = statsOf(state, world.nowSeconds, grown)
    assert.ok(stats !== undefined && stats.receivedDelta >= 0n && stats.receivedDelta < 10n ** 12n)
  })

  test('a refused change leaves what stood before it, as the real device does', async () => {
    const { left, join } = pair('host')
    await join()
    const change: DeviceChange = {
      listenPort: 7,
      peers: [{ kind: 'add', publicKey: generateKeyPair().publicKey, endpoint: { host: sentinelRefuses, port: 1 } }],
    }
    await assert.rejects(left.apply(change), { code: 'interface-refused' })
    assert.equal((await left.read()).listenPort, 7)
  })
})

suite('the text of the UAPI', () => {
  test('a value with a line break is never sent', () => {
    const bad = { kind: 'update', publicKey: b.publicKey, endpoint: { host: 'x\nremove=true', port: 1 } } as const
    assert.throws(() => encodeSet({ peers: [bad] }), { code: 'bad-config' })
  })

  test('what no device says is refused, what newer ones add is not', () => {
    assert.throws(() => decodeGet('no equals sign\nerrno=0\n\n'), { code: 'protocol' })
    assert.throws(() => decodeGet('listen_port=many\nerrno=0\n\n'), { code: 'protocol' })
    assert.throws(() => decodeGet('errno=22\n\n'), { code: 'protocol' })
    assert.throws(() => decodeGet('public_key=abc\nerrno=0\n\n'), { code: 'bad-key' })
    assert.equal(decodeGet('listen_port=5\nsomething_new=1\nerrno=0\n\n').listenPort, 5)
  })

  test('removals stand before additions, whatever the order asked', () => {
    const text = encodeSet({
      peers: [
        { kind: 'add', publicKey: a.publicKey, allowedIps: [] },
        { kind: 'remove', publicKey: b.publicKey },
      ],
    })
    assert.ok(text.indexOf('remove=true') < text.indexOf(Buffer.from(a.publicKey, 'base64').toString('hex')))
    assert.ok(text.endsWith('\n\n') && !text.slice(0, -2).includes('\n\n'))
  })
})
