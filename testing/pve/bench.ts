// Rows of the bench for the Proxmox driver, as ratios in one run: `node testing/pve/bench.ts [--json]`.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@freehold/appliance/clock/clock'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { domainNameOf } from '@freehold/appliance/hypervisor/names'
import { version } from '@freehold/appliance/hypervisor/proxmox/answers'
import { descriptionOf } from '@freehold/appliance/hypervisor/proxmox/metadata'
import { openClient } from '@freehold/appliance/hypervisor/proxmox/open-client'
import { metadataOf } from '../../appliance/src/hypervisor/libvirt/metadata.ts'
import { openDriverStand, waysTo } from './driver-stand.ts'

const rounds = 400
const manyVms = 10_000
const folder = mkdtempSync(join(tmpdir(), 'pve-bench-'))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

const stand = await openDriverStand()
const rows: { what: string; value: number; goal: string; unit: string }[] = []
try {
  const client = openClient(waysTo(stand), stand.rootToken, systemClock)
  const agent = new Agent({ ca: stand.authority.pem, servername: 'pve1', keepAlive: true })
  const port = stand.servers.get('pve1')?.port
  const bare = () =>
    new Promise<void>((done, failed) => {
      const headers = { authorization: `PVEAPIToken=${stand.rootToken.id}=${stand.rootToken.secret}` }
      request({ host: '127.0.0.1', port, agent, path: '/api2/json/version', headers }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => {
          JSON.parse(text)
          done()
        })
      })
        .on('error', failed)
        .end()
    })
  const ours: number[] = []
  const theirs: number[] = []
  for (let i = 0; i < rounds; i++) {
    ours.push(await timed(() => client.get('/version', version)))
    theirs.push(await timed(bare))
  }
  rows.push({ what: 'a call of our client over bare https', value: median(ours) / median(theirs), goal: '≤ 1.3', unit: '×' })
  client.close()
  agent.destroy()

  for (let i = 0; i < manyVms; i++) {
    const key = testKey(BigInt(i + 1))
    const vmid = 1_000_000 + i
    const described = { metadata: metadataOf(testSpec(key, template.sha256, 20_000)), vmid, whole: true }
    stand.world.newVm(
      'pve1',
      vmid,
      { name: domainNameOf(key), tags: 'freehold', memory: '128', onboot: 1, description: descriptionOf(described) },
      'freehold',
    )
  }
  const { createProxmoxHypervisor } = await import('@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor')
  const many = createProxmoxHypervisor({ ...stand.options, vmids: { from: 1_000_000, to: 1_100_000 } })
  const first = await timed(() => many.list())
  const calls = many.calls
  const again = await timed(() => many.list())
  rows.push({ what: `${manyVms} VMs listed first, every configuration read`, value: first, goal: '', unit: 'ms' })
  rows.push({ what: `${manyVms} VMs listed again`, value: again, goal: '', unit: 'ms' })
  rows.push({ what: 'calls of that second list', value: many.calls - calls, goal: '1', unit: '' })
  await many.close()
} finally {
  await stand.close()
  rmSync(folder, { recursive: true })
}
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(rows)}\n`)
else
  for (const { what, value, goal, unit } of rows)
    process.stdout.write(`${what.padEnd(52)} ${value.toFixed(2).padStart(10)} ${unit.padEnd(3)} ${goal}\n`)
