import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { until } from '@freehold/appliance/dev/supervisor'
import { createBrokerClient, type BrokerClient } from '@freehold/appliance/network/broker/client'
import type { Announcement } from '@freehold/appliance/network/broker/announcements'
import type { BrokerOffer } from '@freehold/appliance/network/broker/choice'
import type { Grant } from '@freehold/appliance/network/broker/grant'
import { createLinuxTunnels } from '@freehold/appliance/network/broker/linux-tunnels'
import { createTunnelHost } from '@freehold/appliance/network/broker/tunnel-host'
import type { BrokerService } from '@freehold/appliance/network/broker/ports'
import { failoverPromiseSeconds, type Tunnel } from '@freehold/appliance/network/broker/tunnel-state'
import { far6, pools, startBrokerStand, type BrokerStand } from './stand.ts'

suite('a host with two brokers, a VM that makes its own addresses', { timeout: 600_000 }, () => {
  let stand: BrokerStand
  let folder = ''
  let client: BrokerClient
  let tunnels: ReturnType<typeof createLinuxTunnels>
  let kept: readonly Tunnel[] = []
  const stop = new AbortController()
  let loop: Promise<void> = Promise.resolve()
  const host = () => stand.hosts[0] ?? assert.fail()
  const offers: BrokerOffer[] = []

  /** Brokers that grant what their data path then makes true. */
  const service: BrokerService = {
    offers: async () => offers,
    async request(offer, { publicKey }) {
      const n = offers.indexOf(offer)
      const at = stand.brokers[n] ?? assert.fail()
      const now = systemClock.now()
      const lease = stand.lease(0, n, { peerKey: publicKey })
      await at.dataPath.apply([lease])
      const gateway = at.settings.ownAddress.replace('/128', '')
      const times = { from: now, until: now + 86_400, graceUntil: now + 172_800, saidAt: now }
      const endpoint = { host: at.endpoint, port: 51_820 }
      return {
        broker: offer.name,
        prefix: lease.prefix,
        publicKey: at.publicKey,
        endpoint,
        gateway,
        mtu: 1420,
        zone: '',
        ...times,
      }
    },
    renew: async (grant: Grant) => grant,
    release: async () => undefined,
    name: async () => undefined,
    prove: async () => undefined,
  }

  before(async () => {
    stand = await startBrokerStand({ brokers: 2, hosts: 1 })
    folder = await mkdtemp(join(tmpdir(), 'freehold-tunnels-'))
    for (const [n, { dataPath }] of stand.brokers.entries()) {
      await dataPath.apply([])
      const name = { id: `broker-${process.pid}-${n}`, pool: pools[n] ?? assert.fail() }
      offers.push({ name, active: true, capacity: 0, region: '', pricePerDay: 0n, termSeconds: 86_400, latencyMs: 1 + 50 * n })
    }
    const { namespace, vm } = host()
    await stand.in(vm, 'ip', '-6', 'route', 'del', 'default')
    await stand.in(vm, 'sysctl', '-qw', 'net.ipv6.conf.eth0.accept_ra=2')
    await stand.ip(vm, 'token set ::1:0:0:5 dev eth0')
    const radvd = stand.spawn(namespace, '/usr/bin/python3', join(import.meta.dirname, 'ra.py'), 'vm0')
    await until('the announcer', 5, async () => radvd.text().includes('up'))
    tunnels = createLinuxTunnels({ keyFolder: join(folder, 'keys'), bridge: 'vm0', namespace })
    const announce = async ({ announcements }: { announcements: readonly Announcement[] }) =>
      void radvd.child.stdin?.write(`${JSON.stringify(announcements)}\n`)
    client = createBrokerClient({
      service,
      host: createTunnelHost({ ...tunnels, announce }, { namespace }),
      store: { load: async () => kept, save: async (next) => void (kept = structuredClone(next)) },
      clock: systemClock,
      policy: { count: 2, maxPricePerDay: 0n, minTermSeconds: 0, regions: [], pinned: [] },
      log: () => undefined,
    })
    loop = client.run(stop.signal)
  })
  after(async () => {
    stop.abort()
    await loop
    await tunnels?.stop()
    await stand?.stop()
    if (folder !== '') await rm(folder, { recursive: true })
  })

  const addressAt = (n: number) => stand.lease(0, n).prefix.replace('::/64', ':1::5')
  const source = async () => /src (\S+)/.exec((await stand.in(host().vm, 'ip', '-6', 'route', 'get', far6)).stdout)?.[1]

  test('both prefixes reach the VM, by announcement alone; it speaks with the nearer one’s and is reached by both', async () => {
    await until(
      'both tunnels to be up',
      20,
      async () => client.tunnels().every((t) => t.state === 'up') && client.tunnels().length === 2,
    )
    const shown = async () => (await stand.in(host().vm, 'ip', '-6', 'addr', 'show', 'dev', 'eth0')).stdout
    await until(
      'both addresses',
      10,
      async () => (await shown()).includes(addressAt(0)) && (await shown()).includes(addressAt(1)),
    )
    assert.equal(await source(), addressAt((await nearest()) ?? 0))
    for (const n of [0, 1]) assert.ok(await stand.pings(stand.inet, addressAt(n), '-I', far6), `by broker ${n}`)
    assert.match(await shown(), /mtu 1420/)
  })

  const nearest = async () => {
    const [first] = client
      .tunnels()
      .toSorted((a, b) => Math.floor((a.tunnel.latencyMs ?? 0) / 20) - Math.floor((b.tunnel.latencyMs ?? 0) / 20))
    return offers.findIndex((offer) => offer.name.id === first?.tunnel.grant.broker.id)
  }

  test('one of the two dies: the VM speaks through the other within the promised time, and was reachable by it all along', async (t) => {
    const dead = await nearest()
    const other = 1 - dead
    const began = performance.now()
    await stand.in(stand.brokers[dead]?.namespace ?? '', 'ip', 'link', 'set', 'up0', 'down')
    assert.ok(await stand.pings(stand.inet, addressAt(other), '-I', far6), 'reached through the other at once')
    assert.equal(await stand.pings(host().vm, far6, '-W', '1'), false, 'the fault struck')
    await until(
      'the VM to speak through the other',
      failoverPromiseSeconds + 10,
      async () => (await source()) === addressAt(other),
    )
    assert.ok(await stand.pings(host().vm, far6))
    const seconds = (performance.now() - began) / 1000
    t.diagnostic(`VMs speak through the other broker after ${seconds.toFixed(1)} s; promised: ${failoverPromiseSeconds} s`)
    assert.ok(seconds <= failoverPromiseSeconds, `${seconds} s`)
    assert.equal(await source(), addressAt(other))
    assert.ok(client.troubles().some((trouble) => trouble.kind === 'broker-silent'))
    assert.ok(!client.troubles().some((trouble) => trouble.kind === 'tunnel-down'))
  })
})
