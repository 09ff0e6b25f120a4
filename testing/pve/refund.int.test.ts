import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { Stand } from '@freehold/appliance/vms/test-stand'
import { openDriverStand } from './driver-stand.ts'

// A purchase that no disk of the cluster has room for, with the loop of the daemon and the driver itself.

const folder = mkdtempSync(join(tmpdir(), 'pve-refund-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex')

suite('a purchase on a Proxmox cluster whose disks are full', () => {
  test('denies to keep the payment: every node is tried, nothing is left, it is said so, and the payment goes back', async (t) => {
    const stand = await openDriverStand({ nodes: ['pve1', 'pve2'], journalFile: join(folder, 'journal.json') })
    t.after(() => stand.close())
    await stand.hypervisor.importTemplate({ path, sha256 })
    const before = [...stand.world.vms.keys()]
    stand.faults.arm({ kind: 'storage-full' }, { method: 'POST', path: /clone$/, times: 1e9 })
    const loop = await Stand.open()
    t.after(() => loop.store.close())
    await loop.restart({
      hypervisor: stand.hypervisor,
      template: () => Promise.resolve(sha256),
      backOff: { attempts: 1, firstSeconds: 0, factor: 1, longestSeconds: 0 },
    })
    const id = loop.chain.buy()
    for (let n = 0; n < 3; n += 1) {
      await loop.reconciler.pass()
      await loop.reconciler.settled()
    }
    const full = new Set(stand.faults.struck.map((strike) => /"node":"(\w+)"/.exec(strike.at)?.[1]))
    assert.deepEqual(
      [...full].toSorted((a = '', b = '') => a.localeCompare(b)),
      ['pve1', 'pve2'],
    )
    await loop.reconciler.pass()
    await loop.reconciler.settled()
    const issue = loop.reconciler.status().issues.find(({ subject }) => subject === loop.id(id))
    assert.equal(issue?.code, 'purchase-waiting')
    assert.match(issue?.detail ?? '', /no room/)
    assert.deepEqual([...stand.world.vms.keys()], before, 'a VM was left half made')
    const orphans = [...stand.world.volumes.values()].filter((v) => v.vmid !== undefined && !stand.world.vms.has(v.vmid))
    assert.deepEqual(orphans, [])
    assert.deepEqual(loop.provisioner.sent, [])
    // with less than a quarter of the deadline left it is rejected: the contract pays the buyer back in full
    loop.advance(55 * 60)
    await loop.settle()
    assert.deepEqual(loop.provisioner.sent, [`reject ${id}`])
    assert.equal(loop.chain.at(id)?.state, 'ended')
    assert.deepEqual([...stand.world.vms.keys()], before)
  })
})
