import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { parseCidr, parseInterfaceAddress } from 'wireguard-ts/address'
import { createLinuxDataPath } from '@freehold/appliance/broker/datapath/linux-data-path'
import type { DataPath, Lease } from '@freehold/appliance/broker/types'
import { far6, startBrokerStand, type BrokerStand } from './stand.ts'

// the provider gives a /64 on the uplink itself and routes nothing: neighbours must be answered for each address
const pool = parseCidr('2a01:7e00:c00:1::/64')
const own = '2a01:7e00:c00:1::2'

suite('a broker on an on-link prefix', { timeout: 600_000 }, () => {
  let stand: BrokerStand
  let dataPath: DataPath
  const broker = () => stand.brokers[0] ?? assert.fail()
  const lease = (more: Partial<Lease> = {}) => stand.lease(0, 0, { prefix: parseCidr('2a01:7e00:c00:1::500/120'), ...more })
  const address = '2a01:7e00:c00:1::505'

  before(async () => {
    stand = await startBrokerStand({ brokers: 1, hosts: 1 })
    const { namespace, settings } = broker()
    await stand.ip(stand.inet, 'addr add 2a01:7e00:c00:1::1/64 dev b0 nodad')
    await stand.ip(namespace, `addr add ${own}/64 dev up0 nodad`)
    dataPath = createLinuxDataPath({
      ...settings,
      pool,
      mode: 'on-link',
      ownAddress: parseInterfaceAddress('2a01:7e00:c00:1::ff00/128'),
    })
    await dataPath.apply([lease()])
    await stand.connect(0)
    const { namespace: host, vm } = stand.hosts[0] ?? assert.fail()
    await stand.ip(host, `-6 route add ${address}/128 dev vm0`)
    await stand.ip(host, `-6 rule add from 2a01:7e00:c00:1::500/120 table 100 priority 1005`)
    await stand.ip(host, `-6 rule add to 2a01:7e00:c00:1::500/120 table main priority 905`)
    await stand.ip(vm, `addr add ${address}/128 dev eth0 nodad`)
    await stand.ip(vm, `-6 route add ${far6}/128 via fe80::1 dev eth0 src ${address}`)
  })
  after(async () => {
    await dataPath?.close()
    await stand?.stop()
  })

  test('neighbours find each address of a lease through the broker, at once, and no other', async () => {
    const first = await stand.in(stand.inet, 'ping', '-6', '-c', '1', '-W', '3', '-I', far6, address)
    assert.equal(first.code, 0, first.stdout)
    assert.ok(Number(/time=([\d.]+)/.exec(first.stdout)?.[1]) < 150, `without the kernel's delay: ${first.stdout}`)
    assert.ok(await stand.pings(stand.hosts[0]?.vm ?? '', far6))
    const outside = await stand.in(stand.inet, 'ping', '-6', '-c', '1', '-W', '4', '-I', far6, '2a01:7e00:c00:1::605')
    assert.notEqual(outside.code, 0)
    const entries = async () =>
      (await stand.in(broker().namespace, 'ip', '-6', 'neigh', 'show', 'proxy', 'dev', 'up0')).stdout.trim().split('\n').length
    assert.equal(await entries(), 256)
    assert.deepEqual(await dataPath.plan([lease()]), [])
    await stand.in(broker().namespace, 'ip', '-6', 'neigh', 'del', 'proxy', address, 'dev', 'up0')
    assert.match(
      (await dataPath.plan([lease()])).map((change) => change.text).join('\n'),
      new RegExp(`neighbour add proxy ${address}`),
    )
    await dataPath.apply([lease()])
    assert.equal(await entries(), 256)
  })

  test('the lease ends: the neighbours are told nothing more', async () => {
    await dataPath.apply([])
    const left = await stand.in(broker().namespace, 'ip', '-6', 'neigh', 'show', 'proxy', 'dev', 'up0')
    assert.equal(left.stdout.trim(), '')
    assert.equal(await stand.pings(stand.inet, address, '-I', far6, '-W', '1'), false)
  })
})
