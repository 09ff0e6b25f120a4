import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { metadataOf } from '@freehold/appliance/hypervisor/libvirt/metadata'
import { domainNameOf } from '@freehold/appliance/hypervisor/names'
import { freshMs } from '@freehold/appliance/hypervisor/proxmox/inventory'
import { descriptionOf } from '@freehold/appliance/hypervisor/proxmox/metadata'
import { createProxmoxHypervisor } from '@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor'
import { openDriverStand } from './driver-stand.ts'

const minute = 60_000
const vms = 60

suite('Proxmox: configurations are read again one after the other', () => {
  test('denies a storm: of ten thousand VMs that were read at once no more than a tenth fall due in a minute, and all within 15', () => {
    const due = Array.from({ length: 10_000 }, (_, i) => Math.floor(freshMs(10_000 + i) / minute))
    const perMinute = Map.groupBy(due, (at) => at)
    assert.deepEqual([Math.min(...due), Math.max(...due)], [5, 14])
    for (const [at, all] of perMinute) assert.ok(all.length <= 1010, `${all.length} in minute ${at}`)
  })

  test('a pass each minute reads a share of them, never all; what an operator changed is seen within 15 minutes', async (t) => {
    const stand = await openDriverStand()
    t.after(() => stand.close())
    for (let i = 0; i < vms; i++) {
      const key = testKey(BigInt(i + 1))
      const described = { metadata: metadataOf(testSpec(key, 'f'.repeat(64), 20_000)), vmid: 10_000 + i, whole: true }
      const config = { name: domainNameOf(key), tags: 'freehold', onboot: 1, description: descriptionOf(described) }
      stand.world.newVm('pve1', 10_000 + i, config, 'freehold')
    }
    let ahead = 0
    const clock = { ...systemClock, monotonicMs: () => ahead }
    const driver = createProxmoxHypervisor({ ...stand.options, clock })
    t.after(() => driver.close())
    const pass = async () => {
      const from = stand.log.length
      const list = await driver.list()
      assert.equal(list.length, vms)
      return { list, read: stand.log.slice(from).filter((asked) => asked.path.endsWith('/config')).length }
    }
    assert.equal((await pass()).read, vms, 'at first all are read')
    const changed = stand.world.vms.get(10_000 + vms / 2)
    assert.ok(changed !== undefined)
    changed.config['onboot'] = 0
    const reads: number[] = []
    let seenAt = Number.POSITIVE_INFINITY
    for (let at = 1; at <= 30; at++) {
      ahead = at * minute
      const { list, read } = await pass()
      reads.push(read)
      if (list.some((one) => !one.autostart)) seenAt = Math.min(seenAt, at)
    }
    assert.ok(seenAt <= 15, `seen after ${seenAt} minutes`)
    assert.ok(Math.max(...reads) <= vms / 2, reads.join(' '))
    const all = reads.reduce((sum, n) => sum + n, 0)
    assert.ok(all >= 2 * vms && all <= 6 * vms, `${all} reads in half an hour`)
  })
})
