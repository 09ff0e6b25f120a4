import { markOf, vmIdOf, type VmKey } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import { requireKey, requireNextGeneration, requireSha256, requireSnapshotName, requireSpec } from '../checks.ts'
import { domainNameOf } from '../names.ts'
import type { Hypervisor, PowerState, VerbOptions, VmFacts, VmMetrics, VmSpec } from '../port.ts'
import { askAgent } from './agent.ts'
import { resources, upid, vmStatus, type VmStatus } from './answers.ts'
import { openConsole } from './console.ts'
import { configure } from './configure.ts'
import { createVm, ofIntent, type CreateParts } from './create.ts'
import { drive } from './formats.ts'
import { requireRights, verifyToken } from './enrol/verify.ts'
import { Ids } from './ids.ts'
import { Inventory, type OurVm } from './inventory.ts'
import { Journal } from './journal.ts'
import { Media } from './media.ts'
import { descriptionOf } from './metadata.ts'
import { openClient } from './open-client.ts'
import type { ProxmoxOptions } from './options.ts'
import { unpromisedMemoryMiB } from './placement.ts'
import { findProblems } from './problems.ts'
import { isMissingVm } from './pve-error.ts'
import { seedPrefix } from './seed-iso.ts'
import { explained, PveServer, watchOf } from './server.ts'
import { dropSnapshots, rollbackTo, takeSnapshot } from './snapshots.ts'
import { taskLimitsMs } from './tasks.ts'
import { Templates } from './templates.ts'

/** The port over Proxmox VE, and what is its alone. */
export interface ProxmoxHypervisor extends Hypervisor {
  /** Calls sent so far. */
  readonly calls: number
  close(): Promise<void>
}

const mib = 2 ** 20
/** How long a guest may take to shut down, in seconds. Source: the port. */
const gracefulSeconds = 90
/** How often `watch` looks. */
const watchMs = 30_000

/** The driver for one node or a cluster. Opens nothing: the first verb connects. Throws `bad-input` for a malformed token. */
export function createProxmoxHypervisor(options: ProxmoxOptions): ProxmoxHypervisor {
  const { clock, pace = 1 } = options
  const client = openClient(options.ways, options.token, clock, pace)
  const journal = new Journal(options.journalFile)
  const server = new PveServer(client, clock, journal, pace)
  const inventory = new Inventory(server, options)
  const media = new Media(server, options.mediaStorage)
  const ids = new Ids(inventory, journal, options.vmids)
  const templates = new Templates(server, inventory, media, ids, options)
  const parts: CreateParts = { server, inventory, templates, media, ids, options, remove }
  const watches = new Set<() => void>()
  const explain = <T>(action: string, work: () => Promise<T>) =>
    explained(action, work, async () => requireRights(await verifyToken(client, options)))

  const pathOf = (vm: { node: string; vmid: number }) => `/nodes/${vm.node}/qemu/${vm.vmid}`
  const statusOf = (vm: OurVm) => client.get(`${pathOf(vm)}/status/current`, vmStatus)
  /** One writer per VM, over all its generations; words for a person around it. */
  const writing = async <T>(key: VmKey, action: string, work: () => Promise<T>): Promise<T> => {
    requireKey(key)
    return await explain(action, () => server.writers.run(domainNameOf(key), work))
  }

  async function need(key: VmKey): Promise<OurVm> {
    requireKey(key)
    const vm = await inventory.find(key)
    if (vm !== undefined) return vm
    throw new AppError({ code: 'vm-unknown', detail: `VM ${vmIdOf(key)} of generation ${key.generation} is not here.` })
  }

  async function needWhole(key: VmKey): Promise<OurVm> {
    const vm = await need(key)
    if (vm.whole) return vm
    throw new AppError({
      code: 'not-in-this-state',
      detail: `VM ${vmIdOf(key)} is half-made.`,
      hint: 'Its create goes on by itself.',
    })
  }

  /** As `need`, or whole, once what an earlier process began for the VM has ended: it is followed, not begun again. */
  async function settled(key: VmKey, find: (key: VmKey) => Promise<OurVm>, verb: VerbOptions): Promise<OurVm> {
    const vm = await find(key)
    if (journal.tasksOf(markOf(key)).length === 0) return vm
    await server.finishFormer(markOf(key), taskLimitsMs.snapshot, verb.signal)
    inventory.forget(vm.vmid)
    return await find(key)
  }

  async function switchOff(vm: OurVm, verb: VerbOptions): Promise<void> {
    await server.reach({
      about: markOf(vm.metadata.key),
      node: vm.node,
      vmid: vm.vmid,
      done: async () => (await statusOf(vm)).status === 'stopped',
      act: () => client.post(`${pathOf(vm)}/status/stop`, upid, { 'overrule-shutdown': 1 }),
      watch: watchOf(taskLimitsMs.stop, 'stopping', verb),
    })
  }

  /** The VM with disks, firewall, seeds; gone when no VM has its id. The caller has looked that it is ours. */
  async function remove(vm: OurVm): Promise<void> {
    const { key } = vm.metadata
    await switchOff(vm, {})
    await server.reach({
      about: markOf(key),
      node: vm.node,
      vmid: vm.vmid,
      done: async () => !(await inventory.idTaken(vm.vmid)),
      act: async () => {
        // looked at again right before: the id may be somebody else's by now
        const still = await inventory.readAt(vm.node, vm.vmid, key).catch((error: unknown) => {
          if (isMissingVm(error)) return undefined
          throw error
        })
        if (still === undefined) return undefined
        return await client.delete(pathOf(vm), upid, { purge: 1, 'destroy-unreferenced-disks': 1 })
      },
      watch: { limitMs: taskLimitsMs.destroy },
    })
    inventory.forget(vm.vmid)
    await media.removeAll(vm.node, 'iso', `${seedPrefix(key)}${key.generation}-`)
    journal.setKnown(markOf(key), undefined)
    await journal.setPending(markOf(key), undefined)
    await journal.setIntent(markOf(key), undefined)
    ids.release(vm.vmid)
  }

  async function describe(vm: OurVm, change: Partial<Pick<OurVm, 'metadata' | 'whole'>>, more: object = {}): Promise<void> {
    const next = { ...vm, ...change }
    await configure(server, inventory, vm, { description: descriptionOf(next), ...more })
    await journal.setPending(markOf(vm.metadata.key), undefined)
    inventory.forget(vm.vmid)
  }

  async function create(spec: VmSpec, verb: VerbOptions): Promise<void> {
    const present = await inventory.find(spec.key)
    if (present?.whole === true) return
    if (present === undefined && (await inventory.findAnyGeneration(spec.key)) !== undefined) {
      const detail = `VM ${vmIdOf(spec.key)} is there in another generation.`
      throw new AppError({ code: 'not-in-this-state', detail, hint: 'Reinstall it instead.' })
    }
    await createVm(parts, spec, verb)
  }

  async function start(key: VmKey, verb: VerbOptions): Promise<void> {
    const vm = await settled(key, needWhole, verb)
    await server.reach({
      about: markOf(key),
      node: vm.node,
      vmid: vm.vmid,
      done: async () => !/^(paused|io-error)$/.test((await statusOf(vm)).qmpstatus ?? ''),
      act: () => client.post(`${pathOf(vm)}/status/resume`, upid),
      watch: watchOf(taskLimitsMs.start, 'resuming', verb),
    })
    await server.reach({
      about: markOf(key),
      node: vm.node,
      vmid: vm.vmid,
      done: async () => (await statusOf(vm)).status === 'running',
      act: () => client.post(`${pathOf(vm)}/status/start`, upid),
      watch: watchOf(taskLimitsMs.start, 'starting', verb),
    })
    if (vm.config.onboot !== true) await configure(server, inventory, vm, { onboot: 1 }, verb.signal)
    inventory.forget(vm.vmid)
  }

  async function stop(key: VmKey, how: 'graceful' | 'force', verb: VerbOptions): Promise<void> {
    // a switch-off by force overrules what runs
    const vm = how === 'force' ? await need(key) : await settled(key, need, verb)
    if (vm.config.onboot === true) await configure(server, inventory, vm, { onboot: 0 }, verb.signal)
    inventory.forget(vm.vmid)
    const { qmpstatus } = await statusOf(vm)
    if (how === 'force' || qmpstatus !== 'running') return await switchOff(vm, verb)
    await server.reach({
      about: markOf(key),
      node: vm.node,
      vmid: vm.vmid,
      done: async () => (await statusOf(vm)).status === 'stopped',
      act: () => client.post(`${pathOf(vm)}/status/shutdown`, upid, { timeout: gracefulSeconds, forceStop: 1 }),
      watch: watchOf(taskLimitsMs.shutdown, 'shutting down', verb),
    })
  }

  async function destroy(key: VmKey): Promise<void> {
    await server.finishFormer(markOf(key), taskLimitsMs.clone)
    const vm = await inventory.find(key)
    if (vm !== undefined) return await remove(vm)
    // also one whose clone still runs: it would end as a VM that nobody waits for
    const half = await ofIntent(parts, key)
    if (half !== undefined) return await remove(half)
    await journal.setIntent(markOf(key), undefined)
    // a process that was killed between VM and seed leaves the seed
    const { nodes } = await inventory.overview()
    for (const { node, status } of nodes) {
      if (status === 'online') await media.removeAll(node ?? '', 'iso', `${seedPrefix(key)}${key.generation}-`)
    }
  }

  async function reinstall(from: VmKey, spec: VmSpec, verb: VerbOptions): Promise<void> {
    const old = await inventory.find(from)
    if (old === undefined) {
      await create(spec, verb)
      return await destroy(from)
    }
    const { spec: was, facts } = old.metadata
    const samePurchase = was.origin.buyer === spec.origin.buyer && was.origin.boughtBlock === spec.origin.boughtBlock
    // the new one stands before the old one goes: what fails until here leaves the VM as it was
    await createVm(parts, spec, verb, facts.activating && samePurchase)
    await remove(old)
  }

  async function setFacts(key: VmKey, facts: Partial<VmFacts>): Promise<void> {
    const vm = await needWhole(key)
    const metadata = { ...vm.metadata, facts: { ...vm.metadata.facts, ...facts } }
    // a guest that has reported no longer needs its seed, and whoever reads that storage shall not have it
    const done = metadata.facts.hostKey !== null && !(vm.config.ide2 ?? 'none').startsWith('none')
    await describe(vm, { metadata }, done ? { ide2: drive.parse('none,media=cdrom') } : {})
    if (done) await media.removeAll(vm.node, 'iso', `${seedPrefix(key)}${key.generation}-`)
  }

  return {
    get calls() {
      return client.sent
    },
    capabilities: () =>
      Promise.resolve({
        name: 'proxmox',
        acceleration: 'kvm',
        snapshots: true,
        console: true,
        isolation: options.firewall,
        loginEndpoint: options.loginEndpoint,
      }),
    list: () => explain('list VMs', () => inventory.list()),
    async find(key) {
      requireKey(key)
      return await explain('look for a VM', async () => {
        const vm = await inventory.find(key)
        return vm === undefined ? undefined : inventory.recordOf(vm, stateOf(await statusOf(vm)), vm.config.onboot === true)
      })
    },
    async create(spec, verb = {}) {
      requireSpec(spec)
      await writing(spec.key, 'make a VM', () => create(spec, verb))
    },
    start: (key, verb = {}) => writing(key, 'start a VM', () => start(key, verb)),
    stop: (key, how, verb = {}) => writing(key, 'stop a VM', () => stop(key, how, verb)),
    destroy: async (key) => writing(key, 'remove a VM', () => destroy(key)),
    async reinstall(from, spec, verb = {}) {
      requireSpec(spec)
      requireNextGeneration(from, spec.key)
      await writing(from, 'reinstall a VM', () => reinstall(from, spec, verb))
    },
    async snapshot(key, name, verb = {}) {
      requireSnapshotName(name)
      await writing(key, 'take a snapshot', async () => {
        const vm = await settled(key, needWhole, verb)
        await takeSnapshot(server, inventory, options, vm, name, verb)
        await describe(vm, { metadata: { ...vm.metadata, snapshots: [name] } })
        await dropSnapshots(server, vm, name, verb)
      })
    },
    async rollback(key, name, verb = {}) {
      requireSnapshotName(name)
      await writing(key, 'roll a VM back', async () => {
        const vm = await settled(key, needWhole, verb)
        await journal.setPending(markOf(key), descriptionOf(vm))
        await rollbackTo(server, vm, name, verb, () => switchOff(vm, verb))
        // the snapshot brought back the facts of its day, too
        const reported = vm.metadata.facts.hostKey !== null
        await describe(vm, {}, { onboot: 0, tags: vm.config.tags, ...(reported && { ide2: drive.parse('none,media=cdrom') }) })
      })
    },
    async state(key) {
      requireKey(key)
      return await explain('read the state of a VM', async () => stateOf(await statusOf(await need(key))))
    },
    async console(key) {
      requireKey(key)
      return await explain('open a console', async () => openConsole(server, options, await need(key)))
    },
    async metrics(key) {
      requireKey(key)
      return await explain('read metrics', async () => metricsOf(await statusOf(await need(key)), clock.now()))
    },
    async agent(key, verb, io = {}) {
      requireKey(key)
      return await explain('ask the guest agent', async () => askAgent(server, await need(key), verb, io))
    },
    setFacts: (key, facts) => writing(key, 'write facts of a VM', () => setFacts(key, facts)),
    async importTemplate(image, verb = {}) {
      requireSha256(image.sha256)
      return await explain('import a template', () =>
        server.writers.run(`template ${image.sha256}`, () => templates.import(image, verb)),
      )
    },
    templates: () => explain('list templates', () => templates.list()),
    async removeTemplate(sha256) {
      requireSha256(sha256)
      await explain('remove a template', () => server.writers.run(`template ${sha256}`, () => templates.remove(sha256)))
    },
    capacity: () => explain('read the capacity', () => capacity(inventory)),
    problems: () => explain('look for what needs a person', () => findProblems(server, inventory, templates, options)),
    watch(wake) {
      let before = ''
      const timer = setInterval(() => {
        client.get('/cluster/resources', resources, { type: 'vm' }).then(
          (all) => {
            const now = all.map((r) => `${r.vmid} ${r.node} ${r.status}`).join()
            if (now !== before && before !== '') wake()
            before = now
          },
          () => wake(),
        )
      }, watchMs)
      timer.unref()
      const end = () => {
        clearInterval(timer)
        watches.delete(end)
      }
      watches.add(end)
      return end
    },
    async close() {
      for (const end of watches) end()
      await journal.save()
      client.close()
    },
  }
}

function stateOf({ status, qmpstatus }: VmStatus): PowerState {
  if (status === 'stopped') return 'stopped'
  switch (qmpstatus) {
    case 'paused':
    case 'io-error':
    case 'suspended':
    case 'prelaunch':
      return 'paused'
    case 'guest-panicked':
    case 'internal-error':
      return 'crashed'
    default:
      return status === 'running' ? 'running' : 'unknown'
  }
}

function metricsOf(status: VmStatus, at: number): VmMetrics {
  const running = status.status === 'running'
  return {
    at,
    // the server tells a share of the moment, not what was used since the start
    cpuSeconds: null,
    memoryUsedMiB: running && status.mem !== undefined ? Math.round(status.mem / mib) : null,
    diskReadBytes: running ? (status.diskread ?? null) : null,
    diskWrittenBytes: running ? (status.diskwrite ?? null) : null,
    networkReceivedBytes: running ? (status.netin ?? null) : null,
    networkSentBytes: running ? (status.netout ?? null) : null,
  }
}

/** Of all nodes that are up; shared storage counts once. */
async function capacity(inventory: Inventory): Promise<Awaited<ReturnType<Hypervisor['capacity']>>> {
  const overview = await inventory.overview()
  const up = overview.nodes.filter((node) => node.status === 'online')
  const storages = overview.storages.filter(
    (s, i, all) => s.status === 'available' && (s.shared !== true || all.findIndex((o) => o.storage === s.storage) === i),
  )
  const sum = (values: readonly (number | undefined)[]) => values.reduce<number>((total, value) => total + (value ?? 0), 0)
  const free = sum(storages.map((s) => (s.maxdisk ?? 0) - (s.disk ?? 0)))
  const ours = overview.vms.filter((vm) => inventory.isInRange(vm.vmid) && vm.template !== true)
  // a disk at full size and as much again for its one snapshot
  const promised = sum(ours.map((vm) => (vm.maxdisk ?? 0) * 2))
  return {
    diskTotalBytes: sum(storages.map((s) => s.maxdisk)),
    diskFreeBytes: free,
    diskUnpromisedBytes: Math.max(0, free - promised),
    memoryTotalMiB: Math.floor(sum(up.map((node) => node.maxmem)) / mib),
    memoryUnpromisedMiB: sum(up.map((node) => unpromisedMemoryMiB(overview, node.node ?? '', node.maxmem ?? 0))),
    vcpus: sum(up.map((node) => node.maxcpu)),
  }
}
