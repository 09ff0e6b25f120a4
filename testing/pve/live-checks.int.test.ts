import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test, type TestContext } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { runChecks } from '@freehold/appliance/setup/wizard/live-checks'
import { proxmoxSight } from '@freehold/appliance/setup/wizard/proxmox-page'
import { sectionOf } from '@freehold/appliance/setup/wizard/sections'
import { enrol } from './driver-stand.ts'
import { openStand, type Stand } from './stand.ts'

const folder = mkdtempSync(join(tmpdir(), 'pve-checks-'))
after(() => rmSync(folder, { recursive: true }))

/** The wizard's checks of what only Proxmox has, by the token of an enrolled host. */
async function given(t: TestContext) {
  const stand = await openStand({ nodes: ['pve1', 'pve2'] })
  t.after(() => stand.close())
  const [authorityFile, tokenFile] = [join(folder, 'ca'), join(folder, 'token')]
  writeFileSync(authorityFile, stand.authority.pem)
  writeFileSync(tokenFile, (await enrol(stand)).secret, { mode: 0o600 })
  const from = stand.log.length
  const found = async (more: object = {}) => {
    const section = sectionOf('hypervisor')
    const nodes = [{ url: `https://127.0.0.1:${stand.servers.get('pve1')?.port}`, name: 'pve1' }]
    const places = { diskStorage: 'local', vmids: { from: 10_000, to: 10_009 } }
    const value = section.schema.parse({
      hypervisor: { kind: 'proxmox', nodes, authorityFile, tokenFile, ...places, ...more },
    })
    const unasked = () => Promise.reject(new Error('not asked for'))
    const proxmox = proxmoxSight(systemClock)
    const ports = { known: {}, openHypervisor: unasked, rpc: unasked, proxmox, signal: AbortSignal.timeout(120_000) }
    // a thousand questions take their time on a busy machine
    const all = await runChecks(section, value, ports, 120)
    const one = (name: string) => all.find((check) => check.name === name)
    return { bridge: one('hypervisor-bridge'), ids: one('hypervisor-ids') }
  }
  return { stand, found, changed: () => stand.log.slice(from).filter(({ verb }) => verb !== 'GET') }
}

function somebodysVm(stand: Stand, vmid: number): void {
  stand.world.newVm('pve1', vmid, { name: 'somebody', memory: '512' })
}

suite('W8 live checks of a Proxmox server', () => {
  test('the bridge is on every node and the range is free: both say what was seen, and nothing is changed', async (t) => {
    const { stand, found, changed } = await given(t)
    // one of ours is nobody else's, and the neighbours of the range are not in it
    stand.world.newVm('pve1', 10_003, { name: 'fh-one', tags: 'freehold' }, 'freehold')
    somebodysVm(stand, 9999)
    somebodysVm(stand, 10_010)
    const { bridge, ids } = await found()
    assert.deepEqual([bridge?.state, bridge?.values], ['passed', { bridge: 'vmbr0', nodes: 2 }])
    assert.deepEqual([ids?.state, ids?.values], ['passed', { from: 10_000, to: 10_009, looked: 10 }])
    assert.deepEqual([bridge?.pointer, ids?.pointer], ['/hypervisor/bridge', '/hypervisor/vmids'])
    assert.deepEqual(changed(), [])
  })

  test('a bridge that is missing, on all nodes or on one, has failed with their names and what to do', async (t) => {
    const { stand, found } = await given(t)
    const { bridge: none } = await found({ bridge: 'vmbr9' })
    assert.deepEqual(
      [none?.state, none?.code, none?.detail],
      ['failed', 'bridge-missing', 'There is no bridge vmbr9 on pve1, pve2.'],
    )
    assert.match(none?.hint ?? '', /name another one.*enrol again/)
    stand.world.nodes.get('pve2')?.bridges.delete('vmbr0')
    assert.match((await found()).bridge?.detail ?? '', /vmbr0 on pve2\.$/)
  })

  test('a VM of somebody else in the range, which the token does not see, is told of by its id; a range without a free id has failed', async (t) => {
    const { stand, found } = await given(t)
    somebodysVm(stand, 10_000)
    somebodysVm(stand, 10_007)
    const { ids } = await found()
    assert.deepEqual([ids?.state, ids?.values['foreign']], ['warned', 2])
    assert.match(ids?.detail ?? '', /10000 to 10009 .*: 10000, 10007\..*choose another one/)
    const { ids: full } = await found({ vmids: { from: 10_007, to: 10_007 } })
    assert.deepEqual([full?.state, full?.code], ['failed', 'capacity-exceeded'])
  })

  test('of a range without end the first thousand ids are asked for, and the check says so', async (t) => {
    const { found } = await given(t)
    const { ids } = await found({ vmids: { from: 10_000, to: 999_999 } })
    assert.deepEqual([ids?.state, ids?.values['looked']], ['passed', 1000])
  })
})
