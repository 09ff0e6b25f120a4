import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { markOf, vmIdOf, type VmKey } from '../../chain/installation.ts'
import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Capacity, ConsoleStream, Hypervisor, VerbOptions, VmRecord, VmSpec } from '../port.ts'
import { openWorld, type FakeMachine } from './fake-world.ts'

/**
 * Failures that anybody can see by hand, by naming a storage so in the configuration:
 * `sentinel-full` (creates fail with `storage-full`), `sentinel-slow` (every create takes five minutes of the clock),
 * `sentinel-down` (`hypervisor-down` from every verb), `sentinel-unmounted` (`pool-not-mounted` from every verb that reads
 * the pool), `sentinel-flaky` (the first two creates of each VM fail). A template whose hash begins with `5e5e` is damaged.
 */
export type Sentinel = 'sentinel-full' | 'sentinel-slow' | 'sentinel-down' | 'sentinel-unmounted' | 'sentinel-flaky'

export interface FakeOptions {
  clock: Clock
  /** Names of storages; sentinels among them take effect. May be changed between calls by who holds the array. */
  storages: readonly string[]
  /** Real seconds that a create takes. */
  createSeconds: number
  /** Where the world is kept; without it it lives and dies with the process. */
  file?: string
  loginEndpoint?: string
  diskGiB?: number
  memoryMiB?: number
  /** A machine was started; others play its guest. */
  onStart?(record: VmRecord, freeholdJson: string): void
  onStop?(key: VmKey): void
}

const gib = 2 ** 30

/** An honest small world: machines, disks, templates, capacity, autostart. Ships; runs `npm run dev` and the demo. */
export function createFakeHypervisor(options: FakeOptions): Hypervisor & {
  /** The host was switched off and on: what ran with autostart runs again, all else is stopped. */
  reboot(): void
  /** What the machine's disk has seen, for tests of data. */
  writesOf(key: VmKey): number | undefined
  /** A machine without our mark. */
  addForeign(name: string): void
  readonly foreign: readonly string[]
} {
  const world = openWorld(options.file)
  const { machines, templates } = world
  const watchers = new Set<() => void>()
  const attempts = new Map<string, number>()
  const foreign: string[] = []
  const is = (sentinel: Sentinel) => options.storages.includes(sentinel)

  function changed(): void {
    world.save()
    for (const wake of watchers) queueMicrotask(wake)
  }

  function reach(): void {
    if (is('sentinel-down')) throw new AppError({ code: 'hypervisor-down', detail: 'The fake hypervisor was told not to answer.' })
    if (is('sentinel-unmounted')) throw new AppError({ code: 'pool-not-mounted', detail: 'The fake storage does not carry its marker.' })
  }

  function machineOf(key: VmKey): FakeMachine {
    reach()
    const machine = machines.get(markOf(key))
    if (machine === undefined) throw new AppError({ code: 'vm-unknown', detail: `VM ${vmIdOf(key)} of generation ${key.generation} is not here.` })
    return machine
  }

  function put(machine: FakeMachine, changes: Partial<VmRecord>): void {
    machine.record = { ...machine.record, ...changes }
    changed()
  }

  async function create(spec: VmSpec, verb: VerbOptions = {}): Promise<void> {
    reach()
    const mark = markOf(spec.key)
    if (machines.has(mark)) return
    if (foreign.includes(vmIdOf(spec.key))) throw new AppError({ code: 'vm-foreign', detail: `A machine named ${vmIdOf(spec.key)} is there without our mark.` })
    if (is('sentinel-full')) throw new AppError({ code: 'storage-full', detail: 'The fake storage is full.' })
    if (!templates.has(spec.template)) throw new AppError({ code: 'template-missing', detail: `Template ${spec.template.slice(0, 12)} is not in the store.` })
    const tries = (attempts.get(mark) ?? 0) + 1
    attempts.set(mark, tries)
    if (is('sentinel-flaky') && tries <= 2) throw new AppError({ code: 'process-failed', detail: 'The fake storage failed once more.' })
    const { diskUnpromisedBytes } = await capacity()
    if (diskUnpromisedBytes < spec.diskGiB * gib) throw new AppError({ code: 'storage-full', detail: 'The fake storage has no room for this disk.' })
    verb.progress?.('disk', 0.5)
    await options.clock.wait((is('sentinel-slow') ? 300 : options.createSeconds) * 1000, verb.signal)
    verb.signal?.throwIfAborted()
    const { vcpus, memoryMiB, diskGiB, addresses, mac, template, origin } = spec
    machines.set(mark, {
      record: {
        key: spec.key,
        state: 'stopped',
        autostart: false,
        spec: { vcpus, memoryMiB, diskGiB, addresses, mac, template, origin },
        facts: { hostKey: null, activating: false },
        snapshots: [],
      },
      disk: { writes: 0 },
      saved: {},
      freeholdJson: spec.seed.freeholdJson,
    })
    changed()
  }

  function startMachine(machine: FakeMachine): void {
    machine.disk.writes += 1
    put(machine, { state: 'running', autostart: true })
    options.onStart?.(machine.record, machine.freeholdJson)
  }

  function stopMachine(machine: FakeMachine): void {
    const was = machine.record.state
    put(machine, { state: 'stopped', autostart: false })
    if (was !== 'stopped') options.onStop?.(machine.record.key)
  }

  function remove(key: VmKey): void {
    const machine = machines.get(markOf(key))
    if (machine === undefined) return
    stopMachine(machine)
    machines.delete(markOf(key))
    changed()
  }

  async function capacity(): Promise<Capacity> {
    reach()
    const total = (options.diskGiB ?? 2000) * gib
    const records = [...machines.values()].map((m) => m.record.spec)
    const promised = records.reduce((sum, s) => sum + s.diskGiB * gib, 0)
    const memory = options.memoryMiB ?? 512 * 1024
    return {
      diskTotalBytes: total,
      diskFreeBytes: is('sentinel-full') ? 0 : total - promised / 4,
      diskUnpromisedBytes: Math.max(0, total - promised),
      memoryTotalMiB: memory,
      memoryUnpromisedMiB: memory - records.reduce((sum, s) => sum + s.memoryMiB, 0),
      vcpus: 64,
    }
  }

  return {
    foreign,
    addForeign: (name) => void foreign.push(name),
    writesOf: (key) => machines.get(markOf(key))?.disk.writes,
    reboot() {
      for (const machine of machines.values()) {
        if (machine.record.autostart) startMachine(machine)
        else stopMachine(machine)
      }
    },
    capabilities: () =>
      Promise.resolve({ name: 'fake', acceleration: 'none', snapshots: true, console: true, isolation: false, loginEndpoint: options.loginEndpoint ?? '127.0.0.1:7443' }),
    async list() {
      reach()
      return [...machines.values()].map((m) => m.record)
    },
    async find(key) {
      reach()
      return machines.get(markOf(key))?.record
    },
    create,
    async start(key) {
      const machine = machineOf(key)
      if (machine.record.state !== 'running') startMachine(machine)
      else put(machine, { autostart: true })
    },
    async stop(key) {
      stopMachine(machineOf(key))
    },
    async destroy(key) {
      reach()
      remove(key)
    },
    async reinstall(from, spec, verb) {
      reach()
      if (!machines.has(markOf(spec.key))) {
        remove(from)
        await create(spec, verb)
      } else remove(from)
    },
    async snapshot(key, name) {
      const machine = machineOf(key)
      machine.saved = { [name]: { ...machine.disk } }
      put(machine, { snapshots: [name] })
    },
    async rollback(key, name) {
      const machine = machineOf(key)
      const saved = machine.saved[name]
      if (saved === undefined) throw new AppError({ code: 'not-found', detail: `VM ${vmIdOf(key)} has no snapshot of this name.` })
      stopMachine(machine)
      machine.disk = { ...saved }
      changed()
    },
    async state(key) {
      return machineOf(key).record.state
    },
    async console(key) {
      const machine = machineOf(key)
      if (machine.record.state !== 'running') throw new AppError({ code: 'not-in-this-state', detail: 'The console is there while the VM runs.' })
      return echoConsole()
    },
    async metrics(key) {
      machineOf(key)
      return { at: options.clock.now(), cpuSeconds: 1, memoryUsedMiB: 64, diskReadBytes: 0, diskWrittenBytes: 0, networkReceivedBytes: 0, networkSentBytes: 0 }
    },
    async agent(key, verb) {
      const { state } = machineOf(key).record
      if (state !== 'running') throw new AppError({ code: 'agent-unreachable', detail: `The guest agent of ${vmIdOf(key)} does not answer.` })
      return typeof verb === 'object' ? { exitCode: 0, stdout: '', stderr: '' } : {}
    },
    async setFacts(key, facts) {
      const machine = machineOf(key)
      put(machine, { facts: { ...machine.record.facts, ...facts } })
    },
    async importTemplate(image) {
      reach()
      const content = await readFile(image.path).catch((cause: unknown) => {
        throw new AppError({ code: 'template-missing', detail: 'The image to import is not there.', cause })
      })
      const found = createHash('sha256').update(content).digest('hex')
      if (found !== image.sha256 || image.sha256.startsWith('5e5e')) {
        throw new AppError({ code: 'template-damaged', detail: `The content of the image is not ${image.sha256.slice(0, 12)}….` })
      }
      const record = { sha256: image.sha256, sizeBytes: content.length, virtualSizeBytes: gib, usedBy: 0 }
      templates.set(image.sha256, record)
      changed()
      return record
    },
    async templates() {
      reach()
      return [...templates.values()].map((t) => ({ ...t, usedBy: [...machines.values()].filter((m) => m.record.spec.template === t.sha256).length }))
    },
    async removeTemplate(sha256) {
      reach()
      const used = [...machines.values()].filter((m) => m.record.spec.template === sha256).length
      if (used > 0) throw new AppError({ code: 'not-in-this-state', detail: `${used} disks refer to this template.`, hint: 'It goes with the last of them.' })
      templates.delete(sha256)
      changed()
    },
    capacity,
    watch(wake) {
      watchers.add(wake)
      return () => watchers.delete(wake)
    },
  }
}

/** Answers what is typed, as a terminal with nobody behind it. */
function echoConsole(): ConsoleStream {
  const listeners = new Set<(bytes: Uint8Array) => void>()
  const closers = new Set<() => void>()
  return {
    onData: (listener) => void listeners.add(listener),
    write(bytes) {
      for (const listener of listeners) listener(bytes)
    },
    onClose: (listener) => void closers.add(listener),
    close() {
      for (const closer of closers) closer()
    },
  }
}
