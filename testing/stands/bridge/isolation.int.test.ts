import assert from 'node:assert/strict'
import { after, before, suite } from 'node:test'
import { reliability } from '@freehold/appliance/dev/reliability'
import { until } from '@freehold/appliance/dev/supervisor'
import type { HostTap } from '@freehold/appliance/host/verbs'
import { linkLocalOf } from '@freehold/appliance/network/guest-addresses'
import * as f from './frames.ts'
import { net, startBridgeStand, world, type BridgeStand, type Guest, type Talker } from './stand.ts'

const installation = '0123456789ab'
const alice: HostTap = {
  installation,
  tokenId: '1',
  mac: '52:54:00:00:00:01',
  ipv4: '10.77.0.11',
  ipv6: '2a01:7e00:2::1',
  sshPort: 20_001,
}
const bob: HostTap = {
  ...alice,
  tokenId: '2',
  mac: '52:54:00:00:00:02',
  ipv4: '10.77.0.12',
  ipv6: '2a01:7e00:2::2',
  sshPort: 20_002,
}
const bridgeMac = '52:55:0a:4d:00:01'
const everyone = '33:33:00:00:00:01'

suite('what a guest can do to others, with raw frames through its own tap', () => {
  let stand: BridgeStand
  let a: Guest
  let b: Guest
  let far: Talker
  let host: Talker

  before(async () => {
    stand = await startBridgeStand({ tapOwner: 65_534, group: 0 })
    await stand.client.setTaps({ net, taps: [alice, bob] })
    ;[a, b] = [await stand.guest(alice), await stand.guest(bob)]
    far = await stand.talker(
      stand.outside,
      '/usr/bin/python3',
      `${import.meta.dirname}/peer.py`,
      'listen',
      'udp:9000',
      'tcp:9000',
      'tcp:22',
    )
    host = await stand.talker(
      stand.host,
      '/usr/bin/python3',
      `${import.meta.dirname}/peer.py`,
      'listen',
      ...['udp:9000', 'tcp:7443', 'tcp:53', 'udp:53', 'tcp:22', 'tcp:443', 'tcp:8080'],
    )
    await until('the peers to be up', 10, async () => far.lines.includes('up') && host.lines.includes('up'))
  })
  after(async () => stand?.stop())

  /** Whatever was sent before it has been seen when this arrives: one tap, one queue. */
  async function control(guest: Guest, tap: HostTap, mark: string): Promise<void> {
    guest.frame(udpFrame(tap, mark))
    await until(`${mark} to arrive`, 5, async () => far.lines.includes(`udp ${world.uplink4} 9000 ${mark}`))
    const six = { from: tap.ipv6 ?? '', to: world.far6 }
    const body = f.ipv6({ ...six, next: 17, body: f.udp6(six, `${mark}-6`, 9000) })
    guest.frame(f.ethernet({ to: bridgeMac, from: tap.mac, type: 0x86dd, body }))
    await until(`${mark} to arrive over IPv6`, 5, async () => far.lines.includes(`udp ${tap.ipv6} 9000 ${mark}-6`))
  }

  let packets = 0
  /**
   * Frames of this sender that reached the guest. A packet of the host goes after them: when it is there, whatever was sent
   * before is, and that frames are seen at all is shown.
   */
  async function heardFrom(sender: string, guest: Guest, tap: HostTap): Promise<string[]> {
    const mark = `to-the-guest-${(packets += 1)}`
    const send = `import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"${mark}", ("${tap.ipv4}", 9999))`
    assert.equal((await stand.in(stand.host, '/usr/bin/python3', '-c', send)).code, 0)
    const body = Buffer.from(mark).toString('hex')
    await until(`${mark} to arrive`, 30, async () => guest.received.some((frame) => frame.includes(body)))
    const from = (mac: string) => guest.received.filter((frame) => frame.slice(12, 24) === mac.replaceAll(':', ''))
    assert.ok(
      from(bridgeMac).some((frame) => frame.includes(body)),
      'control: a sender is recognised',
    )
    return from(sender)
  }

  const udpFrame = (tap: Pick<HostTap, 'mac' | 'ipv4'>, text: string, to: string = world.far4): Buffer =>
    f.ethernet({
      to: bridgeMac,
      from: tap.mac,
      type: 0x0800,
      body: f.ipv4({ from: tap.ipv4, to, protocol: 17, body: f.udp(text, 9000) }),
    })

  /** Sends lies, then the truth; the rule of this name counted the lies and none of them arrived. */
  async function denied(mark: string, comment: string, frames: Buffer[]): Promise<number> {
    const were = await stand.counted(comment, a.tap)
    for (const frame of frames) a.frame(frame)
    await control(a, alice, `${mark}-control`)
    const struck = (await stand.counted(comment, a.tap)) - were
    assert.equal(struck, frames.length, `the rule ${comment} saw ${struck} of ${frames.length}`)
    assert.deepEqual(
      [...far.lines, ...host.lines].filter((line) => line.endsWith(`${mark}-lie`)),
      [],
    )
    return struck
  }

  reliability('isolation-spoofed-mac', 'a frame with another MAC is dropped', async (fault) => {
    const lies = [bob.mac, bridgeMac, '52:54:ff:ff:ff:ff'].map((mac) => udpFrame({ ...alice, mac }, 'mac-lie'))
    fault.struck(await denied('mac', 'mac', lies))
  })

  reliability('isolation-spoofed-ipv4', 'a packet with another IPv4 is dropped', async (fault) => {
    const lies = [bob.ipv4, '10.77.0.1', '10.77.0.200', world.uplink4, '8.8.8.8', '0.0.0.0'].map((ipv4) =>
      udpFrame({ ...alice, ipv4 }, 'ipv4-lie'),
    )
    fault.struck(await denied('ipv4', 'ipv4', lies))
  })

  reliability('isolation-spoofed-ipv6', 'a packet with another IPv6 is dropped, link-local too', async (fault) => {
    const lies = [bob.ipv6 ?? '', 'fe80::1', linkLocalOf(bob.mac), world.uplink6, '2a01:7e00:2::dead', '::'].map((from) => {
      const addresses = { from, to: world.far6 }
      const body = f.ipv6({ ...addresses, next: 17, body: f.udp6(addresses, 'ipv6-lie', 9000) })
      return f.ethernet({ to: bridgeMac, from: alice.mac, type: 0x86dd, body })
    })
    fault.struck(await denied('ipv6', 'ipv6', lies))
  })

  reliability('isolation-spoofed-arp', 'ARP for another address or MAC is dropped', async (fault) => {
    const lie = (sender: string, senderMac: string, op: 1 | 2) =>
      f.ethernet({
        to: 'ff:ff:ff:ff:ff:ff',
        from: alice.mac,
        type: 0x0806,
        body: f.arp({ op, senderMac, sender, target: '10.77.0.1' }),
      })
    const lies = [
      lie(bob.ipv4, alice.mac, 2),
      lie('10.77.0.1', alice.mac, 1),
      lie(alice.ipv4, bob.mac, 2),
      lie('0.0.0.0', alice.mac, 1),
    ]
    fault.struck(await denied('arp', 'arp', lies))
    a.frame(lie(alice.ipv4, alice.mac, 1))
    await control(a, alice, 'arp-truth')
    const neighbours = (await stand.in(stand.host, 'ip', 'neigh', 'show', 'dev', 'fhbr0')).stdout
    assert.match(neighbours, new RegExp(`10.77.0.11 lladdr ${alice.mac}`), 'the true one is known')
    assert.doesNotMatch(neighbours, new RegExp(`10.77.0.12 lladdr ${alice.mac}`))
  })

  reliability('isolation-router-advertisement', 'a router advertisement or redirect is dropped', async (fault) => {
    const from = linkLocalOf(alice.mac)
    const addresses = { from, to: 'ff02::1' }
    const advert = f.icmpv6(addresses, 134, f.routerAdvertisement('2a01:bad::'))
    const redirect = f.icmpv6(addresses, 137, Buffer.concat([Buffer.alloc(4), f.ip6(world.far6), f.ip6(world.far6)]))
    const lies = [advert, redirect].map((body) =>
      f.ethernet({ to: everyone, from: alice.mac, type: 0x86dd, body: f.ipv6({ ...addresses, next: 58, body }) }),
    )
    fault.struck(await denied('ra', 'ra', lies))
    for (const place of [stand.host, b.namespace]) {
      const text = (await stand.in(place, 'ip', '-6', 'addr')).stdout + (await stand.in(place, 'ip', '-6', 'route')).stdout
      assert.doesNotMatch(text, /2a01:bad/)
    }
  })

  reliability('isolation-neighbour-advertisement', 'a neighbour advertisement for another address is dropped', async (fault) => {
    const addresses = { from: linkLocalOf(alice.mac), to: 'ff02::1' }
    const lies = [bob.ipv6 ?? '', 'fe80::1', linkLocalOf(bob.mac)].map((target) => {
      const body = f.icmpv6(addresses, 136, f.neighbourAdvertisement(target, alice.mac))
      return f.ethernet({ to: everyone, from: alice.mac, type: 0x86dd, body: f.ipv6({ ...addresses, next: 58, body }) })
    })
    fault.struck(await denied('nd', 'nd', lies))
  })

  reliability('isolation-other-protocols', 'what is neither ARP nor IP is dropped, and so is a DHCP server', async (fault) => {
    const vlan = f.ethernet({ to: bridgeMac, from: alice.mac, type: 0x8100, body: Buffer.alloc(50) })
    const bpdu = f.ethernet({ to: '01:80:c2:00:00:00', from: alice.mac, type: 38, body: Buffer.alloc(50) })
    const odd = f.ethernet({ to: bridgeMac, from: alice.mac, type: 0x88b5, body: Buffer.alloc(50) })
    // the kernel itself keeps the groups of spanning tree from the rules: no bridge passes them on
    const dropped = await denied('other', 'other', [odd])
    a.frame(vlan)
    a.frame(bpdu)
    const dhcp = f.ipv4({ from: alice.ipv4, to: '255.255.255.255', protocol: 17, body: f.udp('dhcp-lie', 68, 67) })
    fault.struck(
      dropped +
        (await denied('dhcp', 'dhcp', [f.ethernet({ to: 'ff:ff:ff:ff:ff:ff', from: alice.mac, type: 0x0800, body: dhcp })])),
    )
    assert.deepEqual(await heardFrom(alice.mac, b, bob), [], 'nothing of it reached the other tenant')
  })

  const connects = async (from: string, to: string, port: number): Promise<boolean> =>
    (await stand.reach(from, [[to, port]]))[0] === true

  reliability(
    'isolation-tenants',
    'two tenants cannot reach each other, neither as neighbours nor through the host',
    async (fault) => {
      const listener = await stand.talker(
        b.namespace,
        '/usr/bin/python3',
        `${import.meta.dirname}/peer.py`,
        'listen',
        'tcp:22',
        'udp:9000',
      )
      await until('the neighbour to listen', 5, async () => listener.lines.includes('up'))
      assert.equal(await connects(stand.host, bob.ipv4, 22), true, 'control: the host reaches it')
      // as neighbours: a frame straight to the other's MAC, and a question to all
      const packet = f.ipv4({ from: alice.ipv4, to: bob.ipv4, protocol: 17, body: f.udp('tenant-lie', 9000) })
      a.frame(f.ethernet({ to: bob.mac, from: alice.mac, type: 0x0800, body: packet }))
      a.frame(f.ethernet({ to: 'ff:ff:ff:ff:ff:ff', from: alice.mac, type: 0x0800, body: packet }))
      const who = f.arp({ op: 1, senderMac: alice.mac, sender: alice.ipv4, target: bob.ipv4 })
      a.frame(f.ethernet({ to: 'ff:ff:ff:ff:ff:ff', from: alice.mac, type: 0x0806, body: who }))
      // through the host as router, where the guest claims that all is behind the gateway
      for (const line of [
        `route add ${bob.ipv4}/32 via 10.77.0.1 dev eth0`,
        `-6 route add ${bob.ipv6}/128 via fe80::1 dev eth0`,
      ]) {
        assert.equal((await stand.in(a.namespace, 'ip', ...line.split(' '))).code, 0, line)
      }
      const reached = await Promise.all([bob.ipv4, bob.ipv6 ?? ''].map((to) => connects(a.namespace, to, 22)))
      assert.deepEqual(reached, [false, false])
      await control(a, alice, 'tenant-control')
      assert.deepEqual(
        listener.lines.filter((line) => !line.includes('10.77.0.1 ') && line !== 'up' && !line.startsWith('c')),
        [],
      )
      assert.deepEqual(await heardFrom(alice.mac, b, bob), [])
      fault.struck(await stand.counted('tenants'))
    },
  )

  reliability(
    'isolation-host-services',
    'of the host a guest reaches DNS and the login endpoint, nothing else',
    async (fault) => {
      const allowed = await Promise.all([7443, 53].map((port) => connects(a.namespace, '10.77.0.1', port)))
      assert.deepEqual(allowed, [true, true], 'control: what the design names is open')
      const before = await stand.counted('host')
      const addresses = ['10.77.0.1', world.uplink4, 'fe80::1%eth0', world.uplink6]
      const closed = addresses.flatMap((to) => [22, 443, 8080].map((port) => [to, port] as const))
      closed.push([world.uplink4, 7443], ['fe80::1%eth0', 7443], [world.uplink4, 20_002])
      const reached = await stand.reach(a.namespace, closed)
      assert.deepEqual(
        closed.filter((_, i) => reached[i]),
        [],
      )
      a.frame(udpFrame(alice, 'host-lie', '10.77.0.1'))
      await control(a, alice, 'host-control')
      assert.deepEqual(
        host.lines.filter((line) => line.endsWith('host-lie')),
        [],
      )
      fault.struck((await stand.counted('host')) - before)
      assert.equal(await connects(stand.outside, world.uplink4, 443), true, 'control: others reach the host’s page')
      assert.equal(await connects(stand.outside, '10.77.0.1', 7443), false, 'and nobody outside the login endpoint')
    },
  )

  reliability(
    'isolation-private-ranges',
    'private, link-local, ULA, CGNAT and the host’s networks are closed until opened',
    async (fault) => {
      const near = ['192.168.50.1', '172.16.9.9', '10.200.0.1', '100.64.0.9', '169.254.169.254', world.outside4]
      const closed = [...near, 'fd00:9::1', world.outside6]
      assert.deepEqual(
        await stand.reach(
          stand.host,
          closed.map((to) => [to, 9000] as const),
        ),
        closed.map(() => true),
        'control: each of them is there and answers, so only the rules are between',
      )
      assert.deepEqual(
        await Promise.all([world.far4, world.far6].map((to) => connects(a.namespace, to, 9000))),
        [true, true],
        'control: the Internet is open',
      )
      const before = await stand.counted('private')
      const reach = async (): Promise<string[]> => {
        const reached = await stand.reach(
          a.namespace,
          closed.map((to) => [to, 9000] as const),
        )
        return closed.filter((_, i) => reached[i] === true)
      }
      assert.deepEqual(await reach(), [])
      fault.struck((await stand.counted('private')) - before)
      await stand.client.setFirewall({
        open: [
          { ipv4: '192.168.50.0', prefixLength: 24 },
          { ipv6: 'fd00:9::', prefixLength: 32 },
        ],
      })
      assert.deepEqual(await reach(), ['192.168.50.1', 'fd00:9::1'], 'what the operator opened, and no more')
      await stand.client.setFirewall({ open: [] })
      assert.deepEqual(await reach(), [])
    },
  )
})
