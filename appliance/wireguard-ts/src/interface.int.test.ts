import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, suite, test } from 'node:test'
import { parseCidr, parseInterfaceAddress } from './address.ts'
import type { InterfaceConfig, Peer } from './config.ts'
import { WireGuardInterface } from './interface.ts'
import { generateKeyPair, generatePresharedKey } from './key.ts'
import { rotatePeerKey, speakNow } from './rotation.ts'
import { run, runOrFail } from './run.ts'
import { sessionState } from './stats.ts'
import { startUserspaceDaemon, type UserspaceDaemon } from './userspace-daemon.ts'

// two machines as network namespaces, joined by a veth pair; their tunnel is real
const id = process.pid % 100000
const [hubSpace, clientSpace] = [`fhw${id}a`, `fhw${id}b`]
const [hubName, clientName] = [`fhw${id}h`, `fhw${id}c`]
const hubKeys = generateKeyPair()
let clientKeys = generateKeyPair()
const presharedKey = generatePresharedKey()
let hubDaemon: UserspaceDaemon
let clientDaemon: UserspaceDaemon
let hub: WireGuardInterface
let client: WireGuardInterface

const toClient = (more: Partial<Peer> = {}): Peer => ({
  publicKey: clientKeys.publicKey,
  presharedKey,
  allowedIps: [parseCidr('10.88.0.2'), parseCidr('fd88::2')],
  ...more,
})
const hubConfig = (peers: readonly Peer[]): InterfaceConfig => ({
  privateKey: hubKeys.privateKey,
  listenPort: 51820,
  addresses: [parseInterfaceAddress('10.88.0.1/32'), parseInterfaceAddress('fd88::1/128')],
  peers,
})
const clientConfig = (): InterfaceConfig => ({
  privateKey: clientKeys.privateKey,
  addresses: [parseInterfaceAddress('10.88.0.2/32'), parseInterfaceAddress('fd88::2/128')],
  peers: [
    {
      publicKey: hubKeys.publicKey,
      presharedKey,
      endpoint: { host: '192.0.2.1', port: 51820 },
      allowedIps: [parseCidr('10.88.0.1'), parseCidr('fd88::1')],
      persistentKeepaliveSeconds: 25,
    },
  ],
})
const stranger = (n: number): Peer => ({
  publicKey: generateKeyPair().publicKey,
  allowedIps: [parseCidr(`10.90.${n}.0/24`), parseCidr(`fd90:${n + 1}::/32`)],
})

before(async () => {
  const ip = async (...args: string[]) => await runOrFail('set up the namespaces', 'ip', args)
  await ip('netns', 'add', hubSpace)
  await ip('netns', 'add', clientSpace)
  await ip('link', 'add', `v${id}a`, 'netns', hubSpace, 'type', 'veth', 'peer', 'name', `v${id}b`, 'netns', clientSpace)
  for (const [space, end, address] of [
    [hubSpace, 'a', '192.0.2.1/30'],
    [clientSpace, 'b', '192.0.2.2/30'],
  ] as const) {
    await ip('-n', space, 'address', 'add', address, 'dev', `v${id}${end}`)
    await ip('-n', space, 'link', 'set', `v${id}${end}`, 'up')
    await ip('-n', space, 'link', 'set', 'lo', 'up')
  }
  hubDaemon = await startUserspaceDaemon(hubName, { namespace: hubSpace })
  clientDaemon = await startUserspaceDaemon(clientName, { namespace: clientSpace })
  hub = new WireGuardInterface({ name: hubName, device: hubDaemon.device, namespace: hubSpace })
  client = new WireGuardInterface({ name: clientName, device: clientDaemon.device, namespace: clientSpace })
})

after(async () => {
  await hubDaemon?.stop()
  await clientDaemon?.stop()
  for (const space of [hubSpace, clientSpace]) await run('ip', ['netns', 'delete', space])
})

/** Pings every 20 ms while `work` runs, and answers how many were sent and how many came back. */
async function pinging(work: (answered: () => Promise<unknown>) => Promise<void>): Promise<{ sent: number; lost: number }> {
  const ping = spawn('ip', ['netns', 'exec', clientSpace, 'ping', '-i', '0.02', '-W', '2', '10.88.0.1'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let text = ''
  ping.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const ended = new Promise((resolve) => ping.once('exit', resolve))
  try {
    const limit = performance.now() + 60_000
    while (!text.includes('icmp_seq=')) {
      assert.ok(performance.now() < limit && ping.exitCode === null, 'no ping came back')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await work(() => once(ping.stdout, 'data'))
  } finally {
    ping.kill('SIGINT')
    await ended
  }
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? []
  // the last one may be under way when the ping is ended
  return { sent: Number(sent), lost: Math.max(0, Number(sent) - Number(received) - 1) }
}

suite('a declared interface', { timeout: 600_000 }, () => {
  test('refuses a configuration that the device would misread, before anything is touched', async () => {
    const own = { publicKey: hubKeys.publicKey, allowedIps: [parseCidr('10.1.0.0/16')] }
    await assert.rejects(hub.set(hubConfig([own])), { code: 'bad-config' })
    const left = await hub.plan(hubConfig([]))
    assert.equal(left.device.privateKey, hubKeys.privateKey, 'nothing was set')
  })

  test('comes up with addresses and routes, carries both families, and does nothing when asked again', async () => {
    await hub.set(hubConfig([toClient()]))
    await client.set(clientConfig())
    assert.equal((await run('ping', ['-c', '1', '-W', '5', '10.88.0.1'], { namespace: clientSpace })).code, 0)
    assert.equal((await run('ping', ['-6', '-c', '1', '-W', '5', 'fd88::1'], { namespace: clientSpace })).code, 0)
    for (const change of [await hub.set(hubConfig([toClient()])), await client.set(clientConfig())]) {
      assert.deepEqual(change, { device: { peers: [] }, links: [] })
    }
    const [peer] = (await hubDaemon.device.read()).peers
    assert.equal(sessionState(peer?.lastHandshakeSeconds ?? 0, Date.now() / 1000), 'active')
    assert.ok((peer?.receivedBytes ?? 0n) > 0n)
  })

  test('20 changes of unrelated peers beside a 20 ms ping lose nothing', async () => {
    const others = Array.from({ length: 10 }, (_, n) => stranger(n))
    const { sent, lost } = await pinging(async () => {
      for (let n = 1; n <= 10; n += 1) await hub.set(hubConfig([toClient(), ...others.slice(0, n)]))
      for (let n = 9; n >= 0; n -= 1) await hub.set(hubConfig([toClient(), ...others.slice(0, n)]))
    })
    assert.ok(sent >= 20, `only ${sent} pings were sent`)
    assert.equal(lost, 0)
    assert.equal((await hubDaemon.device.read()).peers.length, 1)
  })

  test('finds and repairs what somebody else changed, and leaves routes of others alone', async () => {
    await runOrFail('drift', 'ip', ['-n', hubSpace, 'route', 'del', '10.88.0.2/32', 'dev', hubName])
    await runOrFail('drift', 'ip', ['-n', hubSpace, 'address', 'add', '10.88.7.7/32', 'dev', hubName])
    await runOrFail('a route of somebody else', 'ip', ['-n', hubSpace, 'route', 'add', '10.99.0.0/16', 'dev', hubName])
    await hubDaemon.device.apply({ peers: [{ kind: 'add', publicKey: generateKeyPair().publicKey, allowedIps: [] }] })
    const repaired = await hub.set(hubConfig([toClient()]))
    assert.deepEqual(repaired.links, [
      `address del 10.88.7.7/32 dev ${hubName}`,
      `route replace 10.88.0.2/32 dev ${hubName} protocol 187`,
    ])
    assert.deepEqual(
      repaired.device.peers.map((peer) => peer.kind),
      ['remove'],
    )
    assert.match(await runOrFail('look', 'ip', ['-n', hubSpace, 'route', 'show', '10.99.0.0/16']), /10\.99/)
    assert.equal((await run('ping', ['-c', '1', '-W', '5', '10.88.0.1'], { namespace: clientSpace })).code, 0)
  })

  test('the client’s key is rotated without a lost packet', async () => {
    const next = generateKeyPair()
    const { sent, lost } = await pinging(async (answered) => {
      // what is on its way under the old key at this very moment is lost in any rotation: nothing is, right after an answer
      await answered()
      await rotatePeerKey(hubDaemon.device, clientKeys.publicKey, { publicKey: next.publicKey, presharedKey })
      await clientDaemon.device.apply({ privateKey: next.privateKey, peers: [] })
      clientKeys = next
      await speakNow(clientDaemon.device, hubKeys.publicKey, 25)
      for (let n = 0; n < 5; n += 1)
        assert.equal((await run('ping', ['-c', '1', '-W', '5', '10.88.0.1'], { namespace: clientSpace })).code, 0)
    })
    assert.ok(sent > 0)
    assert.equal(lost, 0)
    assert.deepEqual((await hub.set(hubConfig([toClient()]))).device, { peers: [] })
  })

  test('a removed peer hears nothing any more, seen by the daemon’s counters', async () => {
    await hub.set(hubConfig([]))
    assert.notEqual((await run('ping', ['-c', '2', '-i', '0.2', '-W', '1', '10.88.0.1'], { namespace: clientSpace })).code, 0)
    assert.deepEqual((await hubDaemon.device.read()).peers, [])
    await hub.set(hubConfig([toClient()]))
  })

  test('a killed daemon is told apart from a silent one, and comes back with all peers', async () => {
    await hubDaemon.kill()
    await assert.rejects(hubDaemon.device.read(), { code: 'interface-missing' })
    await assert.rejects(hub.set(hubConfig([toClient()])), { code: 'interface-missing' })
    hubDaemon = await startUserspaceDaemon(hubName, { namespace: hubSpace })
    await assert.rejects(startUserspaceDaemon(hubName, { namespace: hubSpace }), { code: 'daemon-failed' })
    hub = new WireGuardInterface({ name: hubName, device: hubDaemon.device, namespace: hubSpace })
    await hub.set(hubConfig([toClient({ endpoint: { host: '192.0.2.2', port: (await clientDaemon.device.read()).listenPort } })]))
    // the hub knows where the client is: its first packet makes the session anew
    assert.equal((await run('ping', ['-c', '1', '-W', '10', '10.88.0.2'], { namespace: hubSpace, timeoutMs: 20_000 })).code, 0)
  })
})
