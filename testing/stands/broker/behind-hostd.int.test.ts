import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parseCidr, parseInterfaceAddress } from 'wireguard-ts/address'
import { generateKeyPair } from 'wireguard-ts/key'
import { run, runOrFail } from 'wireguard-ts/run'
import { createLinuxDataPath } from '@freehold/appliance/broker/datapath/linux-data-path'
import { defaultClosedPorts, type DataPath, type Lease } from '@freehold/appliance/broker/types'
import { until } from '@freehold/appliance/dev/supervisor'
import type { HostTap } from '@freehold/appliance/host/verbs'
import { bridgeName } from '@freehold/appliance/network/guest-addresses'
import { createLinuxTunnels, nameOf } from '@freehold/appliance/network/broker/linux-tunnels'
import { net, startBridgeStand, world, type BridgeStand, type Guest } from '../bridge/stand.ts'

// the guests' prefix of the bridge's stand, now from a broker: real root helper, bridge, tap and rules behind a real tunnel
const prefix = parseCidr(`${world.guests6}/64`)
const pool = parseCidr('2a01:7e00:2::/48')
const gateway = '2a01:7e00:2:fffe::1'
const brokerId = `behind-hostd-${process.pid}`
const guestTap: HostTap = {
  installation: '0123456789ab',
  tokenId: '1',
  mac: '52:54:00:00:00:01',
  ipv4: '10.77.0.11',
  ipv6: '2a01:7e00:2::1',
  sshPort: null,
}

suite('a guest behind the root helper, its address from a broker', () => {
  let stand: BridgeStand
  let guest: Guest
  let dataPath: DataPath
  let tunnels: ReturnType<typeof createLinuxTunnels>
  const namespace = `fh${process.pid}b`
  const interfaceName = `fbh${process.pid % 100_000}`
  const keys = generateKeyPair()
  const peer = join(import.meta.dirname, '../bridge/peer.py')
  const ip = async (where: string, line: string): Promise<void> =>
    void (await runOrFail(`ip ${line}`, 'ip', ['-n', where, ...line.split(' ')]))

  before(async () => {
    stand = await startBridgeStand({ tapOwner: 65_534, group: 0 })
    await runOrFail('make a namespace', 'ip', ['netns', 'add', namespace])
    await ip(namespace, 'link set lo up')
    await ip(stand.outside, `link add broker type veth peer name up0 netns ${namespace}`)
    for (const line of [
      'addr add 45.33.40.1/24 dev broker',
      'addr add 2a01:7e00:3::1/64 dev broker nodad',
      'link set broker up',
    ]) {
      await ip(stand.outside, line)
    }
    for (const line of [
      'addr add 45.33.40.2/24 dev up0',
      'addr add 2a01:7e00:3::2/64 dev up0 nodad',
      'link set up0 up',
      'route add default via 45.33.40.1',
      '-6 route add default via 2a01:7e00:3::1',
    ]) {
      await ip(namespace, line)
    }
    await stand.in(stand.outside, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
    // the way to the guests leads through the broker, and no other
    await ip(stand.outside, `-6 route del ${prefix}`)
    await ip(stand.outside, `-6 route add ${pool} via 2a01:7e00:3::2`)
    tunnels = createLinuxTunnels({
      keyFolder: join(stand.folder, 'keys'),
      bridge: bridgeName,
      namespace: stand.host,
      announce: () => Promise.resolve(),
    })
    dataPath = createLinuxDataPath({
      namespace,
      interfaceName,
      uplink: 'up0',
      pool,
      mode: 'routed',
      ownAddress: parseInterfaceAddress(`${gateway}/128`),
      listenPort: 51_820,
      privateKey: keys.privateKey,
      mtu: 1420,
      hostToHost: false,
      openPorts: { tcp: [], udp: [] },
    })
    const lease: Lease = {
      id: 'l-0000000000000001' as Lease['id'],
      identity: '0123456789ab' as Lease['identity'],
      prefix,
      peerKey: await tunnels.publicKey(brokerId),
      closed: defaultClosedPorts,
      suspended: false,
      from: 0,
      until: 2_000_000_000,
      graceUntil: 2_000_000_000,
    }
    await dataPath.apply([lease])
    await stand.client.setTaps({ net, taps: [guestTap] })
    await tunnels.setTunnels([
      {
        broker: { id: brokerId, pool },
        prefix,
        publicKey: keys.publicKey,
        endpoint: { host: '45.33.40.2', port: 51_820 },
        gateway,
        mtu: 1420,
        zone: '',
        from: 0,
        until: 2_000_000_000,
        graceUntil: 2_000_000_000,
        saidAt: 0,
      },
    ])
    guest = await stand.guest(guestTap)
  })
  after(async () => {
    await tunnels?.stop()
    await dataPath?.close()
    await run('ip', ['-n', namespace, 'link', 'delete', interfaceName])
    await run('ip', ['netns', 'delete', namespace])
    await stand?.stop()
  })

  test('a port that the guest opens is reached from the Internet at its own address, with the caller’s address kept', async () => {
    const listening = await stand.talker(guest.namespace, '/usr/bin/python3', peer, 'listen', 'tcp:80')
    await until('the guest to listen', 10, async () => listening.lines.includes('up'))
    await until('the tunnel', 10, async () => (await stand.reach(stand.outside, [[guestTap.ipv6 ?? '', 80]]))[0] === true)
    assert.ok(
      listening.lines.some((line) => /^tcp 2a01:7e00:3::1 80$/.test(line)),
      listening.lines.join('\n'),
    )
  })

  test('the guest speaks to the Internet with its own address, through the tunnel alone', async () => {
    const far = await stand.talker(stand.outside, '/usr/bin/python3', peer, 'listen', 'tcp:9000')
    await until('the far end', 10, async () => far.lines.includes('up'))
    assert.deepEqual(await stand.reach(guest.namespace, [[world.far6, 9000]]), [true])
    assert.ok(
      far.lines.some((line) => line === `tcp ${guestTap.ipv6} 9000`),
      far.lines.join('\n'),
    )
    await stand.in(stand.outside, 'nft', 'add table inet seen')
    await stand.in(stand.outside, 'nft', 'add chain inet seen pre { type filter hook prerouting priority -300; }')
    await stand.in(stand.outside, 'nft', `add rule inet seen pre iifname "down0" ip6 saddr ${prefix} counter`)
    await ip(stand.host, `link set ${nameOf(brokerId)} down`)
    assert.deepEqual(await stand.reach(guest.namespace, [[world.far6, 9000]]), [false])
    const { stdout } = await stand.in(stand.outside, 'nft', 'list', 'table', 'inet', 'seen')
    assert.match(stdout, /counter packets 0 /, 'not one packet went around it by the host’s own line')
  })

  test('without its tunnel the guest keeps its private address', async () => {
    const far = await stand.talker(stand.outside, '/usr/bin/python3', peer, 'listen', 'tcp:9001')
    await until('the far end', 10, async () => far.lines.includes('up'))
    assert.deepEqual(await stand.reach(guest.namespace, [[world.far4, 9001]]), [true])
  })
})
