import { vmIdOf, type VmKey } from '../../chain/installation.ts'
import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { requireKey, requireNextGeneration, requireSha256, requireSnapshotName, requireSpec } from '../checks.ts'
import { domainNameOf } from '../names.ts'
import type { AgentVerb, Capacity, Hypervisor, TemplateRecord, VerbOptions, VmMetrics, VmRecord, VmSpec } from '../port.ts'
import { echoConsole } from './fake-console.ts'
import { readTemplate } from './fake-template.ts'
import { FakeWorld, type FakeVm } from './fake-world.ts'
import { faultOf, type Fault } from './sentinels.ts'

/** What the small world is made of. */
export interface FakeOptions {
  clock: Clock
  /** Names of storages; those in `sentinels.ts` fail as told there. Who holds the array may change it between calls. */
  storages: readonly string[]
  /** Real seconds that making a disk takes. */
  createSeconds: number
  /** Where the world is kept; without it it lives and dies with the process. */
  file?: string
  /** Default `127.0.0.1:7443`: the fake's guests are played on the host itself. */
  loginEndpoint?: string
  /** Size of each storage. Default 2000. */
  diskGiB?: number
  /** Default 524288. */
  memoryMiB?: number
  /** A VM was started or restarted, or ran when the world was opened; others play its guest from its `freehold.json`. */
  onStart?(record: VmRecord, freeholdJson: string): void
  onStop?(key: VmKey): void
}

/** What is outside the port: the power of the host, the insides of guests, VMs of others. */
export interface FakeControls {
  /** The host was switched off and on: what has autostart runs again, all else is stopped. */
  reboot(): void
  /** The VM's own doings. Throws `vm-unknown`. */
  guest(key: VmKey): {
    /** What it wrote to its disk last; empty on a fresh disk. */
    read(): string
    write(text: string): void
    /** Its kernel panics: the hypervisor restarts it (V4). */
    panic(): void
    powerOff(): void
  }
  /** A VM of that name that is not ours. */
  addForeign(name: string): void
  readonly foreign: Set<string>
  close(): Promise<void>
}

const gib = 2 ** 30
const slowSeconds = 30

/** An honest small world: VMs, disks, storages, templates, capacity, autostart. Ships; runs `npm run dev` and the demo. */
export function createFakeHypervisor(options: FakeOptions): Hypervisor & FakeControls {
  const { clock } = options
  const world = new FakeWorld(options.file)
  const watchers = new Set<() => void>()
  const consoles = new Map<FakeVm, Set<{ end(): void }>>()
  const failedOnce = new Set<string>()
  for (const vm of world.vms.values()) if (vm.state === 'running') queueMicrotask(() => play(vm))
  const storageBytes = () => (options.diskGiB ?? 2000) * gib

  /** What `list` answers until something changes: ten thousand copies at every look were most of what the daemon let go again. */
  let listed: VmRecord[] | undefined

  async function changed(): Promise<void> {
    listed = undefined
    await world.save()
    for (const wake of watchers) queueMicrotask(wake)
  }

  function reach(): void {
    const faults = new Set<Fault | undefined>(options.storages.map(faultOf))
    if (faults.has('down')) throw new AppError({ code: 'hypervisor-down', detail: 'The hypervisor was told not to answer.' })
    if (faults.has('unmounted')) throw new AppError({ code: 'pool-not-mounted', detail: 'The storage was told not to be there.' })
  }

  function lookUp(key: VmKey): FakeVm | undefined {
    requireKey(key)
    reach()
    if (world.foreign.has(domainNameOf(key))) {
      throw new AppError({ code: 'vm-foreign', detail: `A machine named ${domainNameOf(key)} is there without our mark.` })
    }
    const vm = world.vms.get(vmIdOf(key))
    return vm?.key.generation === key.generation ? vm : undefined
  }

  function need(key: VmKey): FakeVm {
    const vm = lookUp(key)
    if (vm !== undefined) return vm
    throw new AppError({ code: 'vm-unknown', detail: `VM ${vmIdOf(key)} of generation ${key.generation} is not here.` })
  }

  /** The storage with the fewest VMs; a full one only if all are. Throws `storage-full`. */
  function place(): string {
    const load = (storage: string) => [...world.vms.values()].filter((vm) => vm.storage === storage).length
    const [best] = options.storages.filter((s) => faultOf(s) !== 'full').toSorted((a, b) => load(a) - load(b))
    if (best === undefined || freeBytes() < gib) {
      throw new AppError({ code: 'storage-full', detail: 'There was no room to make the disk.' })
    }
    return best
  }

  function freeBytes(): number {
    const usable = options.storages.filter((s) => faultOf(s) !== 'full').length * storageBytes()
    const images = [...world.templates.values()].reduce((sum, t) => sum + t.sizeBytes, 0)
    return Math.max(0, usable - images - [...world.vms.values()].reduce((sum, vm) => sum + (vm.spec.diskGiB * gib) / 8, 0))
  }

  async function takeTime(vm: FakeVm, seconds: number, verb: VerbOptions): Promise<void> {
    const total = seconds + (faultOf(vm.storage) === 'slow' ? slowSeconds : 0)
    if (total > 0) await clock.wait(total * 1000, verb.signal)
    verb.signal?.throwIfAborted()
  }

  function requireTemplate(spec: VmSpec): void {
    const template = world.templates.get(spec.template)
    if (template === undefined) {
      throw new AppError({ code: 'template-missing', detail: `Template ${spec.template.slice(0, 12)} is not in the store.` })
    }
    if (template.virtualSizeBytes > spec.diskGiB * gib) {
      throw new AppError({ code: 'capacity-exceeded', detail: `A disk of ${spec.diskGiB} GiB is smaller than the template.` })
    }
  }

  function emptyVm(spec: VmSpec, storage: string): FakeVm {
    const { vcpus, memoryMiB, diskGiB, addresses, mac, template, origin } = spec
    return {
      key: { ...spec.key },
      storage,
      whole: false,
      state: 'stopped',
      autostart: false,
      startedAt: null,
      spec: structuredClone({ vcpus, memoryMiB, diskGiB, addresses, mac, template, origin }),
      seed: { ...spec.seed },
      facts: { hostKey: null, activating: false },
      disk: '',
      snapshots: [],
    }
  }

  async function create(spec: VmSpec, verb: VerbOptions = {}): Promise<void> {
    requireSpec(spec)
    const present = lookUp(spec.key)
    if (present?.whole === true) return
    const id = vmIdOf(spec.key)
    if (present === undefined && world.vms.has(id)) {
      throw new AppError({ code: 'not-in-this-state', detail: `VM ${id} is there in another generation.`, hint: 'Reinstall it.' })
    }
    requireTemplate(spec)
    const vm = emptyVm(spec, present?.storage ?? place())
    world.vms.set(id, vm)
    await changed()
    try {
      verb.progress?.('disk', 0)
      await takeTime(vm, options.createSeconds / 2, verb)
      if (faultOf(vm.storage) === 'flaky' && !failedOnce.has(id)) {
        failedOnce.add(id)
        throw new AppError({ code: 'process-failed', detail: 'It was not possible to make the disk.' })
      }
      verb.progress?.('seed', 0.5)
      await takeTime(vm, options.createSeconds / 2, verb)
    } catch (error) {
      if (world.vms.get(id) === vm) world.vms.delete(id)
      await changed()
      throw error
    }
    vm.whole = true
    await changed()
  }

  async function boot(vm: FakeVm): Promise<void> {
    const crashed = faultOf(vm.storage) === 'crash'
    Object.assign(vm, { state: crashed ? 'crashed' : 'running', autostart: true, startedAt: clock.now() })
    play(vm)
    await changed()
  }

  function play(vm: FakeVm): void {
    if (vm.state === 'running' && faultOf(vm.storage) !== 'silent') options.onStart?.(recordOf(vm), vm.seed.freeholdJson)
  }

  async function halt(vm: FakeVm, autostart: boolean): Promise<void> {
    const ran = vm.state === 'running'
    Object.assign(vm, { state: 'stopped', autostart, startedAt: null })
    for (const stream of consoles.get(vm) ?? []) stream.end()
    if (ran) options.onStop?.(vm.key)
    await changed()
  }

  async function remove(vm: FakeVm): Promise<void> {
    await halt(vm, false)
    if (world.vms.get(vmIdOf(vm.key)) === vm) world.vms.delete(vmIdOf(vm.key))
    await changed()
  }

  function templateRecord(sha256: string): TemplateRecord {
    const template = world.templates.get(sha256)
    if (template === undefined) throw new AppError({ code: 'template-missing', detail: `No template ${sha256.slice(0, 12)}….` })
    return { ...template, usedBy: [...world.vms.values()].filter((vm) => vm.spec.template === sha256).length }
  }

  return {
    foreign: world.foreign,
    addForeign(name) {
      world.foreign.add(name)
      void changed()
    },
    close: () => world.settled(),
    reboot() {
      for (const vm of world.vms.values()) void halt(vm, vm.autostart)
      for (const vm of world.vms.values()) if (vm.autostart) void boot(vm)
    },
    guest(key) {
      const vm = need(key)
      return {
        read: () => vm.disk,
        write(text) {
          vm.disk = text
          void changed()
        },
        panic: () => void boot(vm),
        powerOff: () => void halt(vm, vm.autostart),
      }
    },
    capabilities: () =>
      Promise.resolve({
        name: 'fake',
        acceleration: 'none',
        snapshots: true,
        console: true,
        isolation: false,
        loginEndpoint: options.loginEndpoint ?? '127.0.0.1:7443',
      }),
    async list() {
      reach()
      return (listed ??= [...world.vms.values()].map(recordOf))
    },
    async find(key) {
      const vm = lookUp(key)
      return vm === undefined ? undefined : recordOf(vm)
    },
    create,
    async start(key) {
      const vm = need(key)
      if (!vm.whole) throw new AppError({ code: 'not-in-this-state', detail: `VM ${vmIdOf(key)} has no disk yet.` })
      if (vm.state === 'running') {
        vm.autostart = true
        await changed()
      } else await boot(vm)
    },
    async stop(key, _, verb = {}) {
      const vm = need(key)
      if (vm.state === 'running') await takeTime(vm, 0, verb)
      await halt(vm, false)
    },
    async destroy(key) {
      const vm = lookUp(key)
      if (vm !== undefined) await remove(vm)
    },
    async reinstall(from, spec, verb) {
      requireSpec(spec)
      const old = lookUp(from)
      requireNextGeneration(from, spec.key)
      if (old !== undefined) {
        requireTemplate(spec)
        place()
        await remove(old)
      }
      await create(spec, verb)
      const made = need(spec.key)
      const samePurchase = JSON.stringify(old?.spec.origin) === JSON.stringify(spec.origin)
      if (old?.facts.activating === true && samePurchase) made.facts = { ...made.facts, activating: true }
      await changed()
    },
    async snapshot(key, name, verb = {}) {
      requireSnapshotName(name)
      const vm = need(key)
      if (faultOf(vm.storage) === 'full' || freeBytes() < gib) {
        throw new AppError({ code: 'storage-full', detail: 'There was no room to take the snapshot.' })
      }
      verb.progress?.('snapshot')
      await takeTime(vm, 0, verb)
      vm.snapshots = [{ name, disk: vm.disk }]
      await changed()
    },
    async rollback(key, name, verb = {}) {
      requireSnapshotName(name)
      const vm = need(key)
      const saved = vm.snapshots.find((s) => s.name === name)
      if (saved === undefined)
        throw new AppError({ code: 'not-found', detail: `VM ${vmIdOf(key)} has no snapshot of this name.` })
      await takeTime(vm, 0, verb)
      await halt(vm, false)
      vm.disk = saved.disk
      await changed()
    },
    state: async (key) => need(key).state,
    async console(key) {
      const vm = need(key)
      if (vm.state !== 'running') {
        throw new AppError({ code: 'not-in-this-state', detail: 'The console is there while the VM runs.' })
      }
      const open = consoles.get(vm) ?? new Set()
      consoles.set(vm, open)
      const stream = echoConsole(() => open.delete(stream))
      open.add(stream)
      return stream
    },
    metrics: async (key) => metricsOf(need(key), clock.now()),
    async agent(key, verb) {
      const vm = need(key)
      if (vm.state !== 'running' || faultOf(vm.storage) === 'noAgent') {
        throw new AppError({ code: 'agent-unreachable', detail: `The guest agent of ${vmIdOf(key)} does not answer.` })
      }
      return agentAnswer(vm, verb)
    },
    async setFacts(key, facts) {
      const vm = need(key)
      vm.facts = { ...vm.facts, ...structuredClone(facts) }
      await changed()
    },
    async importTemplate(image, verb = {}) {
      requireSha256(image.sha256)
      reach()
      const template = await readTemplate(image, verb)
      if (freeBytes() < template.sizeBytes) {
        const mib = Math.ceil(template.sizeBytes / 2 ** 20)
        throw new AppError({ code: 'storage-full', detail: `There was no room to import the template of ${mib} MiB.` })
      }
      world.templates.set(template.sha256, template)
      await changed()
      return templateRecord(template.sha256)
    },
    async templates() {
      reach()
      return [...world.templates.keys()].map(templateRecord)
    },
    async removeTemplate(sha256) {
      requireSha256(sha256)
      reach()
      if (!world.templates.has(sha256)) return
      const { usedBy } = templateRecord(sha256)
      if (usedBy > 0) {
        throw new AppError({
          code: 'not-in-this-state',
          detail: `${usedBy} disks refer to this template.`,
          hint: 'It goes with the last.',
        })
      }
      world.templates.delete(sha256)
      await changed()
    },
    async capacity() {
      reach()
      const vms = [...world.vms.values()]
      const promised = vms.reduce((sum, vm) => sum + vm.spec.diskGiB * gib * 2, 0)
      const memory = options.memoryMiB ?? 524_288
      const usable = options.storages.filter((s) => faultOf(s) !== 'full').length * storageBytes()
      return {
        diskTotalBytes: options.storages.length * storageBytes(),
        diskFreeBytes: freeBytes(),
        diskUnpromisedBytes: Math.max(0, usable - promised),
        memoryTotalMiB: memory,
        memoryUnpromisedMiB: Math.max(0, memory - vms.reduce((sum, vm) => sum + vm.spec.memoryMiB, 0)),
        vcpus: 64,
      } satisfies Capacity
    },
    watch(wake) {
      watchers.add(wake)
      return () => void watchers.delete(wake)
    },
  }
}

function recordOf({ key, state, autostart, spec, facts, snapshots }: FakeVm): VmRecord {
  // written out: ten thousand of them are copied at every look, and a structured clone takes ten times as long
  return {
    key: { ...key },
    state,
    autostart,
    spec: { ...spec, addresses: { ...spec.addresses }, origin: { ...spec.origin } },
    facts: { ...facts, hostKey: facts.hostKey && { ...facts.hostKey } },
    snapshots: snapshots.map((s) => s.name),
  }
}

function metricsOf(vm: FakeVm, at: number): VmMetrics {
  const seconds = vm.startedAt === null ? null : Math.max(0, at - vm.startedAt)
  if (seconds === null) {
    const nothing = { cpuSeconds: null, memoryUsedMiB: null, diskReadBytes: null, diskWrittenBytes: null }
    return { at, ...nothing, networkReceivedBytes: null, networkSentBytes: null }
  }
  return {
    at,
    cpuSeconds: 5 + seconds * 0.02 * vm.spec.vcpus,
    memoryUsedMiB: Math.min(vm.spec.memoryMiB, 120),
    diskReadBytes: 40_000_000 + seconds * 200,
    diskWrittenBytes: 5_000_000 + seconds * 900 + vm.disk.length,
    networkReceivedBytes: seconds * 300,
    networkSentBytes: seconds * 250,
  }
}

function agentAnswer(vm: FakeVm, verb: AgentVerb): unknown {
  if (verb === 'ping') return {}
  if (verb === 'network') return [{ name: 'eth0', 'hardware-address': vm.spec.mac }]
  if (verb === 'fs-freeze' || verb === 'fs-thaw') return 1
  const [program, ...args] = verb.exec
  return program === '/bin/echo'
    ? { exitCode: 0, stdout: `${args.join(' ')}\n`, stderr: '' }
    : { exitCode: 127, stdout: '', stderr: 'not found\n' }
}
