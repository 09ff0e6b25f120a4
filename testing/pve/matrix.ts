import assert from 'node:assert/strict'
import { markOf, type VmKey } from '@freehold/appliance/chain/installation'
import { AppError } from '@freehold/appliance/errors/app-error'
import { testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { metadataOf } from '@freehold/appliance/hypervisor/libvirt/metadata'
import { domainNameOf } from '@freehold/appliance/hypervisor/names'
import { descriptionOf, ourTag } from '@freehold/appliance/hypervisor/proxmox/metadata'
import type { ProxmoxHypervisor } from '@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor'
import type { DriverStand } from './driver-stand.ts'
import type { Fault } from './faults.ts'
import { records } from './replay.ts'
import { findRoute } from './schema.ts'
import type { Vm } from './world.ts'

// Every verb, every call that it makes, every fault that can strike there: outcome and end state are read from the world.

/** A verb of the port, what it needs before, and how its end state reads in the world. */
export interface VerbCase {
  name: string
  /** Brings the VM into the state that the verb begins from. */
  before(driver: ProxmoxHypervisor, cell: Cell): Promise<void>
  /** What somebody else did to the VM in between. */
  meanwhile?(stand: DriverStand, cell: Cell): void
  run(driver: ProxmoxHypervisor, cell: Cell): Promise<unknown>
  /** Throws unless the world is as the verb promises. */
  after(stand: DriverStand, cell: Cell): void
  /** False where the verb takes the disk's content away on purpose. */
  keepsDisk: boolean
  /** Made of other verbs of this table. */
  composed?: true
  /** Each cell has a template of its own. */
  ownTemplate?: true
  /** A privilege that an operator grants for it. */
  grants?: string
}

export interface Cell {
  key: VmKey
  template: { path: string; sha256: string }
}

/** One call of a verb, by its place in the schema. */
export interface Place {
  method: string
  template: string
}

export type CellResult = { kind: 'unreachable' } | { kind: 'success' | 'retried'; code: string | undefined; struck: number }

const next = (key: VmKey): VmKey => ({ ...key, generation: key.generation + 1 })
const specOf = (cell: Cell, key = cell.key) => testSpec(key, cell.template.sha256, 20_000)

/** VMs of the world that say they are of this key. */
export function vmsOf(stand: DriverStand, key: VmKey): Vm[] {
  return [...stand.world.vms.values()].filter((vm) => String(vm.config['description'] ?? '').startsWith(`${markOf(key)}\n`))
}

function theVm(stand: DriverStand, key: VmKey): Vm {
  const found = vmsOf(stand, key)
  assert.equal(found.length, 1, `${found.length} VMs bear the mark ${markOf(key)}`)
  return found[0] as Vm
}

/** What a VM of another installation says of itself under that id: whole, with our tag, and not one of ours to touch. */
export function ofAnotherInstallation(vmid: number): { name: string; tags: string; description: string } {
  const key: VmKey = { installation: 'fedcba987654', tokenId: 1n, generation: 1 }
  const metadata = metadataOf(testSpec(key, 'f'.repeat(64), 22_000))
  return { name: domainNameOf(key), tags: ourTag, description: descriptionOf({ metadata, vmid, whole: true }) }
}

export function diskOf(stand: DriverStand, vm: Vm): { data: string } {
  const volume = stand.world.volume(vm.node, String(vm.config['virtio0']).split(',')[0] ?? '')
  assert.ok(volume !== undefined, 'the disk is not there')
  return volume
}

async function made(driver: ProxmoxHypervisor, cell: Cell): Promise<void> {
  await driver.create(specOf(cell))
  await driver.setFacts(cell.key, { activating: true })
}

async function started(driver: ProxmoxHypervisor, cell: Cell): Promise<void> {
  await made(driver, cell)
  await driver.start(cell.key)
}

const same = () => undefined
const reading = (name: string, run: VerbCase['run']): VerbCase => ({ name, before: started, run, after: same, keepsDisk: true })

export const verbs: readonly VerbCase[] = [
  {
    name: 'create',
    before: async () => undefined,
    run: (driver, cell) => driver.create(specOf(cell)),
    after(stand, { key }) {
      const vm = theVm(stand, key)
      assert.equal(vm.pool, 'freehold')
      assert.equal(vm.config['tags'], 'freehold')
      assert.equal(vm.config['memory'], '128')
      assert.match(String(vm.config['net0']), /52:54:00.*bridge=vmbr0,firewall=1/)
      assert.match(String(vm.config['ide2']), /^freehold-media:iso\/freehold-/)
      assert.equal(vm.firewall.options['ipfilter'], 1)
      assert.ok(vm.firewall.rules.length > 8)
      assert.equal(vm.power, 'stopped')
      diskOf(stand, vm)
    },
    keepsDisk: true,
  },
  {
    name: 'start',
    before: made,
    run: (driver, cell) => driver.start(cell.key),
    after(stand, { key }) {
      assert.deepEqual([theVm(stand, key).power, theVm(stand, key).config['onboot']], ['running', 1])
    },
    keepsDisk: true,
  },
  {
    name: 'start paused',
    before: started,
    meanwhile: (stand, { key }) => void (theVm(stand, key).power = 'paused'),
    run: (driver, cell) => driver.start(cell.key),
    after(stand, { key }) {
      assert.deepEqual([theVm(stand, key).power, theVm(stand, key).config['onboot']], ['running', 1])
    },
    keepsDisk: true,
    composed: true,
  },
  ...(['graceful', 'force'] as const).map((how): VerbCase => ({
    name: `stop ${how}`,
    before: started,
    run: (driver, cell) => driver.stop(cell.key, how),
    after(stand, { key }) {
      assert.deepEqual([theVm(stand, key).power, theVm(stand, key).config['onboot']], ['stopped', 0])
    },
    keepsDisk: true,
  })),
  {
    name: 'destroy',
    before: started,
    run: (driver, cell) => driver.destroy(cell.key),
    after(stand, { key }) {
      assert.deepEqual(vmsOf(stand, key), [])
      const left = [...stand.world.volumes.values()].filter((v) => v.volid.includes(`-${key.tokenId}-g`))
      assert.deepEqual(left, [])
      assert.deepEqual(orphans(stand), [])
    },
    keepsDisk: false,
  },
  {
    name: 'reinstall',
    before: started,
    run: (driver, cell) => driver.reinstall(cell.key, specOf(cell, next(cell.key))),
    after(stand, { key }) {
      assert.deepEqual(vmsOf(stand, key), [])
      const vm = theVm(stand, next(key))
      assert.match(String(vm.config['description']), /"activating":true/)
      assert.equal(diskOf(stand, vm).data, '')
      assert.deepEqual(orphans(stand), [])
    },
    keepsDisk: false,
    composed: true,
  },
  {
    name: 'snapshot',
    before: started,
    run: (driver, cell) => driver.snapshot(cell.key, 'one'),
    after(stand, { key }) {
      const vm = theVm(stand, key)
      assert.deepEqual(
        vm.snapshots.map((s) => s.description),
        ['one'],
      )
      assert.match(String(vm.config['description']), /"snapshots":\["one"\]/)
    },
    keepsDisk: true,
  },
  {
    name: 'rollback',
    before: async (driver, cell) => {
      await started(driver, cell)
      await driver.snapshot(cell.key, 'one')
    },
    run: (driver, cell) => driver.rollback(cell.key, 'one'),
    after(stand, { key }) {
      const vm = theVm(stand, key)
      assert.deepEqual([vm.power, vm.config['onboot']], ['stopped', 0])
      assert.match(String(vm.config['description']), /"snapshots":\["one"\]/)
    },
    keepsDisk: true,
  },
  {
    name: 'setFacts',
    before: made,
    run: (driver, cell) => driver.setFacts(cell.key, { hostKey: { fingerprint: 'SHA256:x', publicKey: 'ssh-ed25519 A' } }),
    after(stand, { key }) {
      const vm = theVm(stand, key)
      assert.match(String(vm.config['description']), /SHA256:x/)
      assert.equal(vm.config['ide2'], 'none,media=cdrom')
    },
    keepsDisk: true,
  },
  {
    name: 'importTemplate',
    before: async () => undefined,
    run: (driver, cell) => driver.importTemplate(cell.template),
    after: (stand, cell) => {
      assert.equal(templatesOf(stand, cell.template.sha256).length, 1)
      assert.deepEqual(orphans(stand), [])
      assert.deepEqual(uploadsOf(stand, cell.template.sha256), [], 'the uploaded image is left')
    },
    keepsDisk: true,
    ownTemplate: true,
  },
  {
    name: 'removeTemplate',
    before: async (driver, cell) => void (await driver.importTemplate(cell.template)),
    run: (driver, cell) => driver.removeTemplate(cell.template.sha256),
    after: (stand, cell) => {
      assert.deepEqual(templatesOf(stand, cell.template.sha256), [])
      assert.deepEqual(orphans(stand), [])
    },
    keepsDisk: true,
    ownTemplate: true,
  },
  reading('list', (driver) => driver.list()),
  reading('find', (driver, cell) => driver.find(cell.key)),
  reading('state', (driver, cell) => driver.state(cell.key)),
  reading('metrics', (driver, cell) => driver.metrics(cell.key)),
  reading('capacity', (driver) => driver.capacity()),
  reading('templates', (driver) => driver.templates()),
  reading('agent ping', (driver, cell) => driver.agent(cell.key, 'ping')),
  reading('agent network', (driver, cell) => driver.agent(cell.key, 'network')),
  {
    ...reading('agent exec', (driver, cell) => driver.agent(cell.key, { exec: ['/bin/echo', 'a b'] })),
    grants: 'VM.GuestAgent.Unrestricted',
  },
  reading('problems', async (driver) => driver.problems?.()),
  reading('console', async (driver, cell) => (await driver.console(cell.key)).close()),
]

/** VMs that say they are the template, finished or not. */
function templatesOf(stand: DriverStand, sha256: string): Vm[] {
  return [...stand.world.vms.values()].filter((vm) =>
    String(vm.config['description'] ?? '').startsWith(`freehold-template:${sha256}`),
  )
}

/** Images under way to become that template. */
function uploadsOf(stand: DriverStand, sha256: string): string[] {
  return [...stand.world.volumes.values()].filter((v) => v.volid.includes(sha256.slice(0, 24))).map((v) => v.volid)
}

/** Volumes that belong to a VM which is not there. */
function orphans(stand: DriverStand): string[] {
  return [...stand.world.volumes.values()].filter((v) => v.vmid !== undefined && !stand.world.vms.has(v.vmid)).map((v) => v.volid)
}

/** The calls of a verb in a run without faults, each once. */
export function placesIn(stand: DriverStand, from: number): Place[] {
  const found = new Map<string, Place>()
  for (const { verb, path } of stand.log.slice(from)) {
    const template = findRoute(verb, path)?.template
    if (template !== undefined) found.set(`${verb} ${template}`, { method: verb, template })
  }
  return [...found.values()]
}

const gateway = [595, 596, 599].flatMap((status): Fault[] => {
  const answer = { status, reason: 'Broken pipe', empty: true }
  return [
    { kind: 'answer', ...answer },
    { kind: 'answer-after', ...answer },
  ]
})

/** Texts that were recorded with 500 or 400 at this call. */
function recordedRefusals({ method, template }: Place): Fault[] {
  const found = new Map<string, Fault>()
  for (const { request, response } of records) {
    if (response === undefined || response.status !== 500 || request.method !== method) continue
    if (findRoute(method, request.path)?.template === template)
      found.set(response.reason, { kind: 'answer', status: 500, reason: response.reason })
  }
  return [...found.values()]
}

const taskTypes: Record<string, string> = {
  clone: 'qmclone',
  start: 'qmstart',
  stop: 'qmstop',
  shutdown: 'qmshutdown',
  snapshot: 'qmsnapshot',
  rollback: 'qmrollback',
  resize: 'resize',
  upload: 'imgcopy',
  template: 'qmtemplate',
  qemu: 'qmcreate',
  resume: 'qmresume',
}

/** Exit texts that were recorded of tasks that this call begins. */
function recordedExits({ method, template }: Place): Fault[] {
  // what the firewall is told is done at once
  if (method === 'GET' || template.includes('/firewall/')) return []
  const last = template.split('/').at(-1) ?? ''
  const type =
    method === 'DELETE'
      ? template.includes('snapshot')
        ? 'qmdelsnapshot'
        : template.includes('content')
          ? 'imgdel'
          : 'qmdestroy'
      : taskTypes[last]
  if (type === undefined) return []
  const texts = new Set([
    "can't lock file '/var/lock/qemu-server/lock-1.conf' - got timeout",
    'unexpected status',
    'No space left on device',
  ])
  for (const { request, response } of records) {
    const data = (response?.body as { data?: { type?: string; exitstatus?: string } } | undefined)?.data
    if (request.path.endsWith('/status') && data?.type === type && data.exitstatus !== undefined && data.exitstatus !== 'OK') {
      texts.add(data.exitstatus)
    }
  }
  return [
    ...[...texts].map((text): Fault => ({ kind: 'task-fails', text: text.slice(0, 200) })),
    { kind: 'task-fails', text: 'unexpected status', after: true },
    { kind: 'task-lost' },
  ]
}

/** All faults that could strike at a call; of questions, whose answers are all lost alike, a few unless `all`. */
export function faultsAt(place: Place, all: boolean, rank: 'first' | 'later'): Fault[] {
  // a connection is refused whatever it was for
  const refused: Fault[] = rank === 'first' ? [{ kind: 'refused' }] : []
  const writes = place.method !== 'GET'
  if (!writes && !all) {
    return [
      ...refused,
      { kind: 'cut-before' },
      { kind: 'answer', status: 596, reason: 'Broken pipe', empty: true },
      { kind: 'answer', status: 403, reason: 'Permission check failed (/x, VM.Audit)' },
    ]
  }
  return [
    ...refused,
    { kind: 'cut-before' },
    ...(writes ? [{ kind: 'cut-after' } as const] : []),
    ...(writes
      ? all
        ? gateway
        : gateway.filter((_, i) => i === 0 || i === 3 || i === 5)
      : gateway.filter((f) => f.kind === 'answer')),
    { kind: 'answer', status: 401, reason: 'Authentication failed!', empty: true },
    { kind: 'answer', status: 403, reason: 'Permission check failed (/x, VM.Audit)' },
    // every recorded text of an id, a lock or a storage in the way of the create by default, of all calls with `all`
    ...recordedRefusals(place).filter((_, i) => all || i < 2 || place.template.endsWith('clone')),
    ...recordedExits(place).filter(
      (f, i) => all || i < 1 || f.kind === 'task-lost' || (f.kind === 'task-fails' && f.after === true),
    ),
    // what the firewall is told asks for no lock of the VM
    ...(writes && place.template.includes('/qemu/{vmid}') && !place.template.includes('/firewall/')
      ? [{ kind: 'lock-held' } as const, { kind: 'config-lock', lock: 'backup' } as const]
      : []),
    ...(/clone$|qemu$/.test(place.template) && writes ? [{ kind: 'id-taken' } as const] : []),
    ...(/(qemu|clone|upload|resize|snapshot)$/.test(place.template) && writes ? [{ kind: 'storage-full' } as const] : []),
  ]
}

export function nameOf(fault: Fault): string {
  switch (fault.kind) {
    case 'answer':
    case 'answer-after':
      return `${fault.kind} ${fault.status} ${fault.reason.slice(0, 60)}`
    case 'task-fails':
      return `task fails${fault.after === true ? ' after its work' : ''}: ${fault.text.slice(0, 60)}`
    case 'config-lock':
      return `locked (${fault.lock})`
    default:
      return fault.kind
  }
}

/** Everything but the VM of the cell, as text: what must not change. */
function others(stand: DriverStand, { key, template }: Cell): string {
  const own = new Set([...vmsOf(stand, key), ...vmsOf(stand, next(key)), ...templatesOf(stand, template.sha256)])
  return JSON.stringify(
    [...stand.world.vms.values()].filter((vm) => !own.has(vm)).map((vm) => [vm.vmid, vm.config, vm.power, vm.pool]),
  )
}

/** One cell: the fault strikes once, then the verb is asked again, as a daemon would; the world is read in between and after. */
export async function runCell(stand: DriverStand, verb: VerbCase, cell: Cell, place: Place, fault: Fault): Promise<CellResult> {
  const driver = stand.hypervisor
  await verb.before(driver, cell)
  verb.meanwhile?.(stand, cell)
  const mine = vmsOf(stand, cell.key)[0]
  if (mine !== undefined) diskOf(stand, mine).data = 'paid for'
  if (mine !== undefined && verb.name === 'rollback')
    for (const s of mine.snapshots) for (const id of Object.keys(s.disks)) s.disks[id] = 'paid for'
  const foreign = others(stand, cell)
  const struckBefore = stand.faults.struck.length
  stand.faults.arm(
    fault,
    fault.kind === 'refused' ? {} : { method: place.method, path: new RegExp(`^${place.template.replace(/[{}]/g, '\\$&')}$`) },
  )
  if (fault.kind === 'refused') for (const server of stand.servers.values()) server.dropConnections()
  let code: string | undefined
  try {
    await verb.run(driver, cell)
  } catch (error) {
    assert.ok(error instanceof AppError, `no words for a person: ${error instanceof Error ? error.stack : String(error)}`)
    assert.notEqual(error.code, 'internal')
    code = error.code
  }
  stand.faults.clear()
  await stand.world.settle()
  const strikes = stand.faults.struck.slice(struckBefore)
  const where = fault.kind === 'refused' ? 'connection' : `${place.method} ${place.template}`
  for (const { at } of strikes) assert.ok(at === where || at.startsWith(`${where} `), `it struck elsewhere: ${at}`)
  const taken = [...stand.world.vms.values()].filter((vm) => vm.config['name'] === 'of-somebody-else')
  const isOthers = (text: string) =>
    JSON.stringify((JSON.parse(text) as [number, unknown][]).filter(([id]) => !taken.some((vm) => vm.vmid === id)))
  assert.equal(isOthers(others(stand, cell)), isOthers(foreign), 'a VM of somebody else was touched')
  assert.ok(vmsOf(stand, cell.key).length <= 1, 'a duplicate')
  if (mine !== undefined && verb.keepsDisk)
    assert.equal(diskOf(stand, theVm(stand, cell.key)).data, 'paid for', 'a paid VM was lost')
  if (mine !== undefined && verb.name === 'reinstall') {
    const kept = vmsOf(stand, cell.key).length + vmsOf(stand, next(cell.key)).length
    assert.ok(kept >= 1, 'neither generation is there')
  }
  if (strikes.length === 0) return { kind: 'unreachable' }
  if (code === undefined) verb.after(stand, cell)
  // asked again by a process that was started anew, with nothing but the journal
  const again = stand.again()
  await verb.run(again, cell)
  verb.after(stand, cell)
  for (const vm of taken) assert.ok(stand.world.vms.get(vm.vmid) === vm, 'the VM of the faster client was touched')
  if (mine !== undefined && verb.keepsDisk)
    assert.equal(diskOf(stand, theVm(stand, cell.key)).data, 'paid for', 'a paid VM was lost')
  for (const vm of taken) stand.world.vms.delete(vm.vmid)
  return { kind: code === undefined ? 'success' : 'retried', code, struck: strikes.length }
}

/** Takes the VM of a cell away, so that the next one begins in a clean world. */
export async function clearCell(stand: DriverStand, verb: VerbCase, { key, template }: Cell): Promise<void> {
  stand.faults.clear()
  await stand.world.settle()
  if (verb.ownTemplate === true) {
    // a listing of uploads is not asked for again: the world is emptied from outside
    for (const vm of templatesOf(stand, template.sha256)) {
      stand.world.vms.delete(vm.vmid)
      for (const [id, volume] of stand.world.volumes) if (volume.vmid === vm.vmid) stand.world.volumes.delete(id)
    }
    return
  }
  await stand.hypervisor.destroy(key)
  if (vmsOf(stand, next(key)).length > 0) await stand.hypervisor.destroy(next(key))
}
