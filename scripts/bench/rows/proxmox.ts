import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vmIdOf } from '@freehold/appliance/chain/installation'
import { systemClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { domainNameOf } from '@freehold/appliance/hypervisor/names'
import { version } from '@freehold/appliance/hypervisor/proxmox/answers'
import { descriptionOf } from '@freehold/appliance/hypervisor/proxmox/metadata'
import { openClient } from '@freehold/appliance/hypervisor/proxmox/open-client'
import { createProxmoxHypervisor, type ProxmoxHypervisor } from '@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor'
import { makeSeedIso } from '@freehold/appliance/hypervisor/proxmox/seed-iso'
import { Stand } from '@freehold/appliance/vms/test-stand'
import { metadataOf } from '../../../appliance/src/hypervisor/libvirt/metadata.ts'
import { openDriverStand, waysTo, type DriverStand } from '../../../testing/pve/driver-stand.ts'
import { vmsOf } from '../../../testing/pve/matrix.ts'
import { BareHttps, replayCreate } from '../proxmox-script.ts'
import { median, row, type Bench, type Row } from '../row.ts'
import { many } from '../ten-thousand.ts'

const calls = 400
/** Each takes as long as the recorded server took. */
const creates = 5
const passes = 20
const manyFrom = 1_000_000

export const proxmox: Bench = {
  id: 'proxmox',
  about: 'the Proxmox driver over the stand-in: a call, a create, a pass over 10,000 VMs, against bare https in the same run',
  slow: false,
  async run(report) {
    const folder = mkdtempSync(join(tmpdir(), 'pve-bench-'))
    const stand = await openDriverStand({ journalFile: join(folder, 'journal.json') })
    const bare = new BareHttps({
      ca: stand.authority.pem,
      servername: 'pve1',
      port: stand.servers.get('pve1')?.port ?? 0,
      token: stand.token,
    })
    try {
      const path = join(folder, 'template.qcow2')
      execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'], { timeout: 20_000 })
      const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex')
      await stand.hypervisor.importTemplate({ path, sha256 })
      const one = await ofCall(stand, bare)
      const pass = await ofPass(stand, bare, sha256, report)
      // the delays of the recorded server: what a create costs in the world
      stand.world.pace = 1
      const driver = createProxmoxHypervisor({ ...stand.options, pace: 1 })
      try {
        return [one, await ofCreate(stand, driver, bare, sha256), ...pass]
      } finally {
        await driver.close()
      }
    } finally {
      bare.close()
      await stand.close()
      rmSync(folder, { recursive: true })
    }
  },
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

async function ofCall(stand: DriverStand, bare: BareHttps): Promise<Row> {
  const client = openClient(waysTo(stand), stand.token, systemClock)
  const [ours, theirs]: [number[], number[]] = [[], []]
  // in turn, so that a busy moment of the machine meets both
  for (let i = 0; i < calls; i += 1) {
    ours.push(await timed(() => client.get('/version', version)))
    theirs.push(await timed(() => bare.call('GET', '/version')))
  }
  client.close()
  return row('Proxmox: a call of the client / over bare https', median(ours) / median(theirs), '×', 1.3)
}

/** The calls of one create are written down by the server, then sent again by a script, each time for another VM. */
async function ofCreate(stand: DriverStand, driver: ProxmoxHypervisor, bare: BareHttps, sha256: string): Promise<Row> {
  // numbers of one length, so that renaming renames nothing else
  const keyOf = (n: number) => testKey(BigInt(70_000 + n))
  const specOf = (n: number) => testSpec(keyOf(n), sha256, 20_000)
  const tokenOf = (n: number) => vmIdOf(keyOf(n)).split('-').at(-1) ?? ''
  await driver.create(specOf(0))
  const from = stand.log.length
  await driver.create(specOf(1))
  const written = stand.log.slice(from)
  const vmid = vmsOf(stand, keyOf(1))[0]?.vmid ?? 0
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let n = 2; n < 2 + creates; n += 1) {
    ours.push(await timed(() => driver.create(specOf(2 * n))))
    const names = { from: { vmid, token: tokenOf(1) }, to: { vmid: 10_900 + n, token: tokenOf(2 * n + 1) } }
    theirs.push(await timed(async () => replayCreate(bare, written, names, await makeSeedIso(specOf(1).seed))))
    const made = stand.world.vms.get(10_900 + n)
    if (made?.config['memory'] !== '128' || made.firewall.rules.length < 8)
      throw new AppError({ code: 'internal', detail: `The script made no whole VM ${10_900 + n}.` })
  }
  return row(`Proxmox: a create by the driver / its ${written.length} calls by a script`, median(ours) / median(theirs), '×', 1.1)
}

async function ofPass(stand: DriverStand, bare: BareHttps, sha256: string, report: (line: string) => void): Promise<Row[]> {
  const loop = await Stand.open()
  const first = loop.chain.buy()
  await loop.settle()
  const subscription = loop.chain.at(first)
  const stored = await loop.store.vms.get({ installation: loop.chain.installation, tokenId: first })
  if (subscription === undefined || stored === undefined) throw new AppError({ code: 'internal', detail: 'No first VM.' })
  const all = Array.from({ length: many }, (_, i) => ({ ...subscription, tokenId: BigInt(i + 1) }))
  loop.chain.mine(1, (state) => {
    for (const one of all) state.subscriptions.set(one.tokenId, one)
    state.nextTokenId = BigInt(many) + 1n
  })
  for (const [i, { tokenId, buyer, boughtBlock }] of all.entries()) {
    const key = { installation: loop.chain.installation, tokenId, generation: 1 }
    const metadata = metadataOf({ ...testSpec(key, sha256, 20_000), origin: { buyer, boughtBlock } })
    const facts = { hostKey: stored.hostKey, activating: true }
    const described = { metadata: { ...metadata, facts }, vmid: manyFrom + i, whole: true }
    const config = { name: domainNameOf(key), tags: 'freehold', memory: '128', onboot: 1, description: descriptionOf(described) }
    stand.world.newVm('pve1', manyFrom + i, config, 'freehold').power = 'running'
  }
  const { journalFile: _, ...options } = stand.options
  const driver = createProxmoxHypervisor({ ...options, vmids: { from: manyFrom, to: manyFrom + 2 * many } })
  try {
    const read = await timed(() => driver.list())
    report(`${many} configurations read at the first look in ${(read / 1000).toFixed(1)} s`)
    const rows = all.map(({ tokenId }) => ({ ...stored, tokenId }))
    await loop.restart({ hypervisor: driver, vms: { ...loop.store.vms, list: () => Promise.resolve(rows) } })
    await loop.reconciler.pass()
    const [times, asked, alone]: [number[], number[], number[]] = [[], [], []]
    for (let n = 0; n < passes; n += 1) {
      const before = driver.calls
      const pass = await loop.reconciler.pass()
      times.push(pass.durationMs)
      asked.push(driver.calls - before)
      alone.push(await timed(() => bare.call('GET', '/cluster/resources')))
      if (pass.vms !== many || pass.began.length > 0)
        throw new AppError({ code: 'internal', detail: `The pass saw ${pass.vms} VMs and began ${pass.began.length} jobs.` })
    }
    report(
      `a pass ${median(times).toFixed(0)} ms, its one call over bare https ${median(alone).toFixed(0)} ms, server in this process`,
    )
    for (let i = 0; i < many; i += 1) stand.world.vms.delete(manyFrom + i)
    return [
      row('Proxmox: calls of a reconcile pass, 10,000 VMs', median(asked), 'calls', 1, 0),
      row('Proxmox: a reconcile pass, 10,000 VMs / that call over bare https', median(times) / median(alone), '×', 2),
    ]
  } finally {
    await driver.close()
    await loop.store.close()
  }
}
