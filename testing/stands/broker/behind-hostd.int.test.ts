import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parseCidr, parseInterfaceAddress } from 'wireguard-ts/address'
import { generateKeyPair } from 'wireguard-ts/key'
import { run, runOrFail } from 'wireguard-ts/run'
import { createLinuxDataPath } from '@freehold/appliance/broker/datapath/linux-data-path'
import { defaultClosedPorts, type DataPath, type DataPathSettings, type Lease } from '@freehold/appliance/broker/types'
import { systemClock } from '@freehold/appliance/clock/clock'
import { until } from '@freehold/appliance/dev/supervisor'
import type { HostTap } from '@freehold/appliance/host/verbs'
import { autonomousOf, bridgeName } from '@freehold/appliance/network/guest-addresses'
import { createBrokerClient, type BrokerClient } from '@freehold/appliance/network/broker/client'
import type { BrokerOffer } from '@freehold/appliance/network/broker/choice'
import type { BrokerService } from '@freehold/appliance/network/broker/ports'
import { interfaceOf, tunnelIdOf } from '@freehold/appliance/network/broker/linux-tunnels'
import { createTunnelHost } from '@freehold/appliance/network/broker/tunnel-host'
import type { Tunnel } from '@freehold/appliance/network/broker/tunnel-state'
import { ethernet, ipv6 } from '../bridge/frames.ts'
import { net, startBridgeStand, world, type BridgeStand, type Guest, type Talker } from '../bridge/stand.ts'

const guestTap: HostTap = {
  installation: '0123456789ab',
  tokenId: '1',
  mac: '52:54:00:00:00:01',
  ipv4: '10.77.0.11',
  ipv6: null,
  sshPort: null,
}
const neighbourTap: HostTap = { ...guestTap, tokenId: '2', mac: '52:54:00:00:00:02', ipv4: '10.77.0.12' }

/** A broker behind the world outside, with what it leases to the one host. */
interface Broker {
  namespace: string
  offer: BrokerOffer
  settings: DataPathSettings & { namespace: string }
  publicKey: ReturnType<typeof generateKeyPair>['publicKey']
  dataPath: DataPath
  prefix: ReturnType<typeof parseCidr>
}

// real root helper, bridge, taps, rules and radvd; real tunnels to two brokers; the guest is told nothing but what routers say
suite('a guest behind the root helper, its addresses from two brokers', { timeout: 600_000 }, () => {
  let stand: BridgeStand
  let guest: Guest
  let client: BrokerClient
  let radvd: Talker
  let announcer = ''
  let kept: readonly Tunnel[] = []
  const brokers: Broker[] = []
  const stop = new AbortController()
  let loop: Promise<void> = Promise.resolve()
  const peer = join(import.meta.dirname, '../bridge/peer.py')
  const ip = async (where: string, line: string): Promise<void> =>
    void (await runOrFail(`ip ${line}`, 'ip', ['-n', where, ...line.split(' ')]))
  const conf = () => join(stand.folder, 'announce/radvd.conf')
  const at = (n: number) => brokers[n] ?? assert.fail()
  const addressAt = (n: number, tap = guestTap) => autonomousOf(at(n).prefix, tap.mac) ?? assert.fail()
  const nameAt = (n: number) => interfaceOf(tunnelIdOf(at(n).offer.name.id))

  async function addBroker(n: number): Promise<void> {
    const namespace = `fh${process.pid}b${n}`
    const pool = parseCidr(`2a01:7e00:${(0xa00 + 0x100 * n).toString(16)}::/48`)
    const keys = generateKeyPair()
    await runOrFail('make a namespace', 'ip', ['netns', 'add', namespace])
    const settings = {
      namespace,
      interfaceName: `fbh${n}${process.pid % 100_000}`,
      uplink: 'up0',
      pool,
      mode: 'routed' as const,
      ownAddress: parseInterfaceAddress(`${pool.replace('::/48', '::1')}/128`),
      listenPort: 51_820,
      privateKey: keys.privateKey,
      mtu: 1420,
      hostToHost: false,
      openPorts: { tcp: [], udp: [] },
    }
    const name = { id: `behind-hostd-${process.pid}-${n}`, pool }
    brokers.push({
      namespace,
      settings,
      publicKey: keys.publicKey,
      dataPath: createLinuxDataPath(settings),
      prefix: parseCidr(pool.replace('::/48', ':77::/64')),
      offer: { name, active: true, capacity: 0, region: '', pricePerDay: 0n, termSeconds: 86_400, latencyMs: 1 + 50 * n },
    })
    await ip(namespace, 'link set lo up')
    await ip(stand.outside, `link add broker${n} type veth peer name up0 netns ${namespace}`)
    for (const line of [
      `addr add 45.33.4${n}.1/24 dev broker${n}`,
      `addr add 2a01:7e00:3:${n}::1/64 dev broker${n} nodad`,
      `link set broker${n} up`,
      `-6 route add ${pool} via 2a01:7e00:3:${n}::2`,
    ]) {
      await ip(stand.outside, line)
    }
    for (const line of [
      `addr add 45.33.4${n}.2/24 dev up0`,
      `addr add 2a01:7e00:3:${n}::2/64 dev up0 nodad`,
      'link set up0 up',
      `route add default via 45.33.4${n}.1`,
      `-6 route add default via 2a01:7e00:3:${n}::1`,
    ]) {
      await ip(namespace, line)
    }
  }

  /** Grants that are then made true in the broker's network. */
  const service: BrokerService = {
    offers: async () => brokers.map(({ offer }) => offer),
    async request(offer, { publicKey }) {
      const broker = brokers.find((one) => one.offer === offer) ?? assert.fail()
      const now = systemClock.now()
      const lease: Lease = {
        id: 'l-0000000000000001' as Lease['id'],
        identity: '0123456789ab' as Lease['identity'],
        prefix: broker.prefix,
        peerKey: publicKey,
        closed: defaultClosedPorts,
        suspended: false,
        from: now,
        until: now + 86_400,
        graceUntil: now + 172_800,
      }
      await broker.dataPath.apply([lease])
      return {
        broker: offer.name,
        prefix: broker.prefix,
        publicKey: broker.publicKey,
        endpoint: { host: `45.33.4${brokers.indexOf(broker)}.2`, port: 51_820 },
        gateway: broker.settings.ownAddress.replace('/128', ''),
        mtu: 1420,
        zone: '',
        from: now,
        until: lease.until,
        graceUntil: lease.graceUntil,
        saidAt: now,
      }
    },
    renew: async (grant) => grant,
    release: async () => undefined,
    name: async () => undefined,
    prove: async () => undefined,
  }

  before(async () => {
    announcer = await mkdtemp(join(tmpdir(), 'freehold-radvd-'))
    await chown(announcer, 64_099, 64_099)
    stand = await startBridgeStand({ tapOwner: 65_534, group: 0 })
    await stand.in(stand.outside, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
    for (const n of [0, 1]) await addBroker(n)
    await stand.client.setTaps({ net: { ...net, ipv6: null }, taps: [guestTap, neighbourTap] })
    client = createBrokerClient({
      service,
      host: createTunnelHost(stand.client, { namespace: stand.host }),
      store: { load: async () => kept, save: async (next) => void (kept = structuredClone(next)) },
      clock: systemClock,
      policy: { count: 2, maxPricePerDay: 0n, minTermSeconds: 0, regions: [], pinned: [] },
      log: () => undefined,
    })
    guest = await stand.guest(guestTap)
    await stand.guest(neighbourTap)
    loop = client.run(stop.signal)
    await until('the announcer’s file', 60, async () => existsSync(conf()))
    // the rights that its unit leaves it, no more
    const rights = [
      '--reuid=64099',
      '--regid=64099',
      '--clear-groups',
      '--inh-caps=-all,+net_raw',
      '--ambient-caps=-all,+net_raw',
    ]
    const reads = ['--config', conf(), '--logmethod', 'stderr', '--pidfile', join(announcer, 'radvd.pid')]
    radvd = await stand.talker(
      stand.host,
      'setpriv',
      ...rights,
      '--bounding-set=-all,+net_raw',
      '--no-new-privs',
      'radvd',
      '--nodaemon',
      ...reads,
    )
    // systemd reloads it on an installed host
    let read = statSync(conf()).mtimeMs
    await until('both addresses', 60, async () => {
      const now = statSync(conf()).mtimeMs
      if (now !== read) radvd.child.kill('SIGHUP')
      read = now
      const { stdout } = await stand.in(guest.namespace, 'ip', '-6', 'addr', 'show', 'dev', 'eth0')
      return stdout.includes(addressAt(0)) && stdout.includes(addressAt(1))
    })
  })
  after(async () => {
    stop.abort()
    await loop
    for (const { dataPath, namespace, settings } of brokers) {
      await dataPath.close()
      await run('ip', ['-n', namespace, 'link', 'delete', settings.interfaceName])
      await run('ip', ['netns', 'delete', namespace])
    }
    await stand?.stop()
    await rm(announcer, { recursive: true, force: true })
  })

  const serves = async (port: number) => {
    const listening = await stand.talker(guest.namespace, '/usr/bin/python3', peer, 'listen', `tcp:${port}`)
    await until('the guest to listen', 60, async () => listening.lines.includes('up'))
    return listening
  }

  test('refused by the helper: a tunnel whose prefix is ULA, or the gateway a guest’s; what stood stands', async () => {
    const standing = (await stand.in(stand.host, 'ip', '-br', 'link')).stdout
    const [tunnel] = kept
    assert.ok(tunnel !== undefined)
    const { grant, endpoint } = tunnel
    const spec = {
      id: 'aaaaaaaaaaaa',
      prefix: grant.prefix,
      publicKey: grant.publicKey,
      endpoint,
      gateway: grant.gateway,
      mtu: 1420,
    }
    for (const wrong of [
      { prefix: parseCidr('fd00:1::/64') },
      { prefix: parseCidr('2a01:7e00:1::/64') },
      { gateway: addressAt(0) },
      { mtu: 1000 },
      { endpoint: { host: '127.0.0.1', port: 51_820 } },
    ]) {
      await assert.rejects(stand.client.setTunnels({ tunnels: [{ ...spec, ...wrong }] }), { code: 'bad-input' })
    }
    assert.equal((await stand.in(stand.host, 'ip', '-br', 'link')).stdout, standing)
  })

  test('a port that the guest opens is reached from the Internet at each of its addresses, the caller’s address kept', async () => {
    const listening = await serves(80)
    for (const n of [0, 1]) {
      await until(`broker ${n}`, 60, async () => (await stand.reach(stand.outside, [[addressAt(n), 80]]))[0] === true)
      const caller = n === 0 ? '2a01:7e00:3::1' : '2a01:7e00:3:1::1'
      assert.ok(listening.lines.includes(`tcp ${caller} 80`), listening.lines.join('\n'))
    }
  })

  test('denies what the guest did not make: a neighbour’s address, another interface id of its own prefix', async () => {
    const before = await stand.counted('ipv6', guest.tap)
    for (const source of [addressAt(0, neighbourTap), addressAt(0).replace(/:[0-9a-f]+$/, ':bad')]) {
      const body = ipv6({ from: source, to: world.far6, next: 59, body: Buffer.alloc(0) })
      guest.frame(ethernet({ to: '52:55:0a:4d:00:01', from: guestTap.mac, type: 0x86dd, body }))
    }
    await until('the rule to count them', 60, async () => (await stand.counted('ipv6', guest.tap)) >= before + 2)
  })

  test('the guest speaks through a tunnel alone, with its own address; with all tunnels down not one packet goes around them', async () => {
    const far = await stand.talker(stand.outside, '/usr/bin/python3', peer, 'listen', 'tcp:9000')
    await until('the far end', 60, async () => far.lines.includes('up'))
    assert.deepEqual(await stand.reach(guest.namespace, [[world.far6, 9000]]), [true])
    assert.ok(
      [0, 1].some((n) => far.lines.includes(`tcp ${addressAt(n)} 9000`)),
      far.lines.join('\n'),
    )
    await stand.in(stand.outside, 'nft', 'add table inet seen')
    await stand.in(stand.outside, 'nft', 'add chain inet seen pre { type filter hook prerouting priority -300; }')
    await stand.in(
      stand.outside,
      'nft',
      'add rule inet seen pre iifname "down0" ip6 saddr 2a01:7e00::/32 ip6 saddr != 2a01:7e00:1::/64 counter',
    )
    for (const n of [0, 1]) await ip(stand.host, `link set ${nameAt(n)} down`)
    assert.deepEqual(await stand.reach(guest.namespace, [[world.far6, 9000]]), [false])
    const { stdout } = await stand.in(stand.outside, 'nft', 'list', 'table', 'inet', 'seen')
    assert.match(stdout, /counter packets 0 /, 'not one packet went around it by the host’s own line')
    // the client sets its tunnels up again by itself when it takes the other one: only brokers that hear nothing are lost for sure
    for (const { namespace, settings } of brokers) {
      for (const line of [
        'add table inet deaf',
        'add chain inet deaf in { type filter hook input priority -300; }',
        `add rule inet deaf in udp dport ${settings.listenPort} drop`,
      ])
        await runOrFail('make a broker deaf', 'nft', [line], { namespace })
    }
    await until('trouble to be known', 120, async () => client.troubles().some(({ kind }) => kind === 'tunnel-down'))
    for (const { namespace } of brokers) await runOrFail('let it hear again', 'nft', ['delete table inet deaf'], { namespace })
  })

  test('without any tunnel the guest keeps its private address', async () => {
    const far = await stand.talker(stand.outside, '/usr/bin/python3', peer, 'listen', 'tcp:9001')
    await until('the far end', 60, async () => far.lines.includes('up'))
    assert.deepEqual(await stand.reach(guest.namespace, [[world.far4, 9001]]), [true])
  })

  test('the helper and its tunnels are killed, started again: all stands from what it kept, the client asks nobody', async () => {
    stop.abort()
    await loop
    await stand.hostd().stop()
    for (const n of [0, 1]) await run('ip', ['-n', stand.host, 'link', 'delete', nameAt(n)])
    await stand.in(stand.host, 'nft', 'flush', 'ruleset')
    await stand.startHostd()
    for (const n of [0, 1]) {
      await until(`broker ${n}`, 60, async () => (await stand.reach(stand.outside, [[addressAt(n), 80]]))[0] === true)
    }
  })

  test('given up: interfaces, rules by source, routes and what guests may send are gone', async () => {
    await stand.client.setTunnels({ tunnels: [] })
    const shown = async (...args: string[]) => (await stand.in(stand.host, 'ip', ...args)).stdout
    for (const n of [0, 1]) assert.ok(!(await shown('-br', 'link')).includes(nameAt(n)))
    assert.doesNotMatch(await shown('-6', 'rule'), /2a01:7e00/)
    assert.doesNotMatch(await shown('-6', 'route', 'show', 'dev', bridgeName), /2a01:7e00/)
    const { stdout } = await stand.in(stand.host, 'nft', 'list', 'ruleset')
    for (const n of [0, 1]) assert.ok(!stdout.includes(addressAt(n)))
  })
})
