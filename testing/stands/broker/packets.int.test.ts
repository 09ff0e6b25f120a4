import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { until } from '@freehold/appliance/dev/supervisor'
import type { Lease } from '@freehold/appliance/broker/types'
import { far6, prefixOf, startBrokerStand, type BrokerStand } from './stand.ts'

suite('the broker’s packets: internet, broker, two hosts, their VMs', { timeout: 600_000 }, () => {
  let stand: BrokerStand
  let [alice, bob] = ['', '']
  const at = (n: number) => stand.hosts[n] ?? assert.fail()
  const broker = () => stand.brokers[0] ?? assert.fail()
  const both = (change: Partial<Lease> = {}) => [stand.lease(0, 0, change), stand.lease(1)]
  const apply = (leases: readonly Lease[]) => broker().dataPath.apply(leases)

  before(async () => {
    stand = await startBrokerStand({ brokers: 1, hosts: 2 })
    await apply(both())
    alice = await stand.connect(0)
    bob = await stand.connect(1)
    assert.ok(await stand.pings(at(0).vm, far6), 'alice reaches the Internet')
    assert.ok(await stand.pings(at(1).vm, far6), 'bob too')
  })
  after(async () => stand?.stop())

  test('the address on the wire is the VM’s own, in both directions', async () => {
    const seen = stand.spawn(stand.inet, '/usr/bin/python3', `${import.meta.dirname}/traffic.py`, 'udp-echo', far6, '9000')
    const sent = await stand.in(at(0).vm, '/usr/bin/python3', `${import.meta.dirname}/traffic.py`, 'udp-ask', far6, '9000', 'x')
    assert.equal(sent.stdout.trim(), alice, 'the far end saw the VM’s address')
    await seen.end()
    assert.ok(await stand.pings(stand.inet, alice, '-I', far6), 'and reaches it unasked')
  })

  test('drops what comes with another tenant’s address, with an unallocated one, and with one of the pool from outside', async () => {
    await stand.in(stand.inet, 'nft', 'add', 'table', 'inet', 'seen')
    await stand.in(stand.inet, 'nft', 'add chain inet seen pre { type filter hook prerouting priority -300; }')
    const lies = [bob.replace(':1::5', '::66'), `${prefixOf(77, 0).replace('::/64', '::1')}`, '2a00:1450::1']
    const script = `${import.meta.dirname}/traffic.py`
    for (const lie of lies) {
      await stand.in(stand.inet, 'nft', 'add', 'rule', 'inet', 'seen', 'pre', 'ip6', 'saddr', lie, 'counter')
      await stand.ip(at(0).namespace, `addr add ${lie}/128 dev ${at(0).tunnels[0]?.name} nodad`)
      await stand.ip(at(0).namespace, `-6 rule add from ${lie} table 100 priority 500`)
      const sent = await stand.in(at(0).namespace, '/usr/bin/python3', script, 'udp-send', lie, far6, '9001', '20')
      assert.equal(sent.stdout.trim(), '20', `${lie}: ${sent.stderr}`)
    }
    const tunnel = at(0).tunnels[0]?.daemon.device
    assert.ok(((await tunnel?.read())?.peers[0]?.sentBytes ?? 0n) > 60n * 40n, 'the lies went into the tunnel')
    // whatever was sent before it has been seen when this comes back
    assert.ok(await stand.pings(at(0).vm, far6))
    const { stdout } = await stand.in(stand.inet, 'nft', 'list', 'table', 'inet', 'seen')
    assert.equal(stdout.match(/counter packets 0 /g)?.length, 3, stdout)
    // BCP 38 the other way
    const before = await stand.counted(0, 'pool from outside')
    await stand.ip(stand.inet, `addr add ${lies[0]}/128 dev lo nodad`)
    await stand.in(stand.inet, '/usr/bin/python3', script, 'udp-send', lies[0] ?? '', alice, '9001', '5')
    assert.ok(await stand.pings(stand.inet, alice, '-I', far6))
    assert.equal((await stand.counted(0, 'pool from outside')) - before, 5)
    await stand.ip(stand.inet, `addr del ${lies[0]}/128 dev lo`)
    for (const lie of lies) await stand.ip(at(0).namespace, `addr del ${lie}/128 dev ${at(0).tunnels[0]?.name}`)
  })

  test('a host is pinged through its tunnel; nobody answers where nobody is', async () => {
    const own = prefixOf(0, 0).replace('::/64', '::1')
    assert.ok(((await broker().dataPath.probe(own)) ?? -1) >= 0)
    assert.equal(await broker().dataPath.probe(prefixOf(77, 0).replace('::/64', '::1')), undefined)
  })

  test('tenant to tenant is closed', async () => {
    const before = await stand.counted(0, 'host to host')
    assert.equal(await stand.pings(at(0).vm, bob, '-W', '1'), false)
    assert.ok((await stand.counted(0, 'host to host')) > before, 'by that rule')
  })

  test('unallocated space answers unreachable and never loops', async () => {
    const nobody = prefixOf(99, 0).replace('::/64', '::1')
    const received = async () =>
      Number((await stand.in(broker().namespace, 'cat', '/sys/class/net/up0/statistics/rx_packets')).stdout)
    const before = await received()
    const answer = await stand.in(stand.inet, 'ping', '-6', '-c', '3', '-i', '0.2', '-W', '2', '-I', far6, nobody)
    assert.match(answer.stdout, /No route|Destination unreachable/)
    const after = await received()
    assert.ok(after - before < 20, `3 packets became ${after - before}: a loop`)
    // an address of a leased prefix that no VM has: the host answers
    // answers of this sort are limited in number by the kernel
    const unused = prefixOf(0, 0).replace('::/64', '::9')
    await until('the host to answer for its unused addresses', 8, async () =>
      /unreachable|No route/.test((await stand.in(stand.inet, 'ping', '-6', '-c', '1', '-W', '1', '-I', far6, unused)).stdout),
    )
  })

  test('path MTU: 1420 passes, 1500 is told, TCP needs no loss to learn it', async () => {
    assert.ok(await stand.pings(stand.inet, alice, '-I', far6, '-M', 'do', '-s', String(1420 - 48)))
    const big = await stand.in(
      stand.inet,
      'ping',
      '-6',
      '-c',
      '2',
      '-i',
      '0.2',
      '-W',
      '2',
      '-M',
      'do',
      '-s',
      '1452',
      '-I',
      far6,
      alice,
    )
    assert.match(big.stdout + big.stderr, /mtu[ =:]*1420/i)
    const script = `${import.meta.dirname}/traffic.py`
    const server = stand.spawn(at(0).vm, '/usr/bin/python3', script, 'mss', alice, '9100')
    const { stdout } = await stand.in(stand.inet, '/usr/bin/python3', script, 'mss-ask', alice, '9100')
    await server.end()
    assert.equal(stdout.trim(), '1348', 'the segment size both ends speak of: 1360 without the time stamps')
  })

  test('port 25 is closed until opened for one lease, others pass, and the answer says so', async () => {
    const script = `${import.meta.dirname}/traffic.py`
    stand.spawn(stand.inet, '/usr/bin/python3', script, 'tcp-greet', far6, '25', '80')
    const dial = async (port: string) =>
      (await stand.in(at(0).vm, '/usr/bin/python3', script, 'tcp-try', far6, port)).stdout.trim()
    assert.equal(await dial('80'), 'open')
    const before = await stand.counted(0, 'closed port')
    assert.match(await dial('25'), /denied|prohibited|Permission|EACCES/i)
    assert.ok((await stand.counted(0, 'closed port')) > before)
    await apply(both({ closed: { tcp: [], udp: [] } }))
    assert.equal(await dial('25'), 'open')
    await apply(both())
    assert.notEqual(await dial('25'), 'open')
  })

  test('suspension is instant, in both directions, and reversible without a handshake', async () => {
    const handshake = async () => (await broker().dataPath.counters(both()))[0]?.lastHandshakeAt
    const was = await handshake()
    await apply(both({ suspended: true }))
    const before = await stand.counted(0, 'suspended')
    assert.equal(await stand.pings(at(0).vm, far6, '-W', '1'), false)
    assert.equal(await stand.pings(stand.inet, alice, '-I', far6, '-W', '1'), false)
    assert.equal((await stand.counted(0, 'suspended')) - before, 2)
    assert.ok(await stand.pings(at(1).vm, far6), 'the other goes on')
    await apply(both())
    assert.ok(await stand.pings(at(0).vm, far6))
    assert.equal(await handshake(), was)
  })

  test('a cap holds, and bytes are counted in both directions', async () => {
    const script = `${import.meta.dirname}/traffic.py`
    const counters = async () => (await broker().dataPath.counters(both()))[0] ?? assert.fail()
    const before = await counters()
    await apply(both({ rateCapBytesPerSecond: 100_000 }))
    await stand.in(at(0).vm, '/usr/bin/python3', script, 'udp-send', alice, far6, '9002', '1000', '1000')
    await until('the cap to strike', 5, async () => (await stand.counted(0, 'cap')) > 100)
    const passed = (await counters()).bytesOut - before.bytesOut
    assert.ok(passed > 60_000n && passed < 300_000n, `${passed} of 1,000,000 bytes passed a cap of 100,000 a second`)
    await apply(both())
    const free = await counters()
    await stand.in(at(0).vm, '/usr/bin/python3', script, 'udp-send', alice, far6, '9002', '100', '1000')
    assert.ok((await counters()).bytesOut - free.bytesOut >= 100_000n)
    assert.ok((await counters()).bytesIn > before.bytesIn - 1n)
  })

  test('nothing to do is nothing done; what somebody else changed is found, named and repaired', async () => {
    assert.equal(await apply(both()), 0)
    assert.deepEqual(await broker().dataPath.plan(both()), [])
    const { namespace, settings } = broker()
    const harm: [string, string[], RegExp][] = [
      ['nft', ['delete', 'element', 'inet', 'freehold_broker', 'out', `{ ${prefixOf(0, 0)} }`], /add element .* out/],
      ['nft', ['insert', 'rule', 'inet', 'freehold_broker', 'forward', 'accept'], /nft -f/],
      ['nft', ['add', 'chain', 'inet', 'freehold_broker', 'theirs'], /delete chain .* theirs/],
      ['ip', ['-6', 'route', 'del', prefixOf(0, 0), 'dev', settings.interfaceName], /ip -6 route replace/],
      ['ip', ['-6', 'route', 'del', 'unreachable', settings.pool], /unreachable/],
      ['wg', ['set', settings.interfaceName, 'peer', at(0).keys.publicKey, 'remove'], /public_key=/],
      ['sysctl', ['-qw', 'net.ipv6.conf.all.forwarding=0'], /forwarding=1/],
      ['sysctl', ['-qw', 'net.ipv6.conf.up0.accept_ra=1'], /up0\/accept_ra=2/],
    ]
    for (const [program, args, text] of harm) {
      assert.equal((await stand.in(namespace, program, ...args)).code, 0, args.join(' '))
      const drift = await broker().dataPath.plan(both())
      assert.ok(
        drift.some((change) => text.test(change.text)),
        `${args.join(' ')}: ${JSON.stringify(drift)}`,
      )
      await apply(both())
      assert.deepEqual(await broker().dataPath.plan(both()), [])
    }
    assert.ok(await stand.pings(at(1).vm, far6))
  })

  test('a dry run prints nft, ip and UAPI changes, tells no secret and touches nothing', async () => {
    const { dataPath, namespace, settings } = broker()
    const kernel = async () => (await stand.in(namespace, 'nft', '-s', 'list', 'ruleset')).stdout
    const was = await kernel()
    const presharedKey = Buffer.alloc(32, 7).toString('base64') as NonNullable<Lease['presharedKey']>
    const plan = await dataPath.plan([
      ...both(),
      {
        ...stand.lease(1),
        id: 'l-00000000000000ff' as Lease['id'],
        prefix: prefixOf(9, 0),
        peerKey: Buffer.alloc(32, 9).toString('base64') as Lease['peerKey'],
        presharedKey,
      },
    ])
    const text = plan.map((change) => change.text).join('\n')
    assert.match(text, /nft 'add element inet freehold_broker out \{ 2a01:7e00:a00:109::\/64 \}'/)
    assert.match(text, /allowed_ip=2a01:7e00:a00:109::\/64/)
    assert.match(text, /ip -6 route replace 2a01:7e00:a00:109::\/64/)
    assert.match(text, /preshared_key=\(hidden\)/)
    assert.doesNotMatch(text, new RegExp(`${presharedKey}|${settings.privateKey}|${'07'.repeat(32)}`))
    assert.ok(plan.every((change) => change.part === 'sysctl' || change.lease === 'l-00000000000000ff'))
    assert.equal(await kernel(), was)
  })
})
