import { rm, statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { vmIdOf, type VmKey } from '../../chain/installation.ts'
import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { requireKey, requireNextGeneration, requireSha256, requireSnapshotName, requireSpec } from '../checks.ts'
import type { Hypervisor, VerbOptions, VmMetrics, VmSpec } from '../port.ts'
import { askAgent } from './agent.ts'
import { openConsole } from './console.ts'
import { domainXml, type GuestNetwork } from './domain-xml.ts'
import { Domains, type Domain } from './domains.ts'
import { watchEvents } from './events.ts'
import { metadataOf, uuidOf } from './metadata.ts'
import { Pool } from './pool.ts'
import { chooseAcceleration } from './probe.ts'
import { restoreSnapshot, snapshotsIn, takeSnapshot } from './snapshots.ts'
import { Templates } from './templates.ts'
import { findUserNetwork, slirpHost } from './user-network.ts'
import { createVirsh } from './virsh.ts'

/** Where the parts of this installation's libvirt are. */
export interface LibvirtOptions {
  /** Disks, templates, marker (see `Pool`). */
  folder: string
  /** Sockets; wiped by a reboot. */
  runFolder: string
  uri: string
  clock: Clock
  acceleration: 'auto' | 'kvm' | 'tcg'
  /** Port of the guests' login endpoint on the host. */
  loginPort: number
  /** Which network a VM gets. Default: user networking with a loopback forward (embedded mode). */
  networkOf?(this: void, spec: Pick<VmSpec, 'key' | 'addresses'>): GuestNetwork
  /** Address at which guests reach the host. Default: as user networking shows it. */
  hostAddress?: string
  /** True where taps and firewall keep tenants apart. */
  isolation?: boolean
}

/** The port over libvirt, and what is libvirt's alone. */
export interface LibvirtHypervisor extends Hypervisor {
  /** Makes folders and marker of the pool; by setup, never by a daemon. No-op if they are there. */
  initialisePool(): Promise<void>
  /** Ends what `watch` has begun. VMs and libvirtd run on. */
  close(): Promise<void>
}

const mib = 2 ** 20
const gib = 2 ** 30
/** Memory that VMs never get: the host's own. */
const hostReserveMiB = 1024
/** Where libvirt keeps what QEMU said of each VM, below the pool. */
const qemuLogs = 'home/.cache/libvirt/qemu/log'
/** How long a guest may take to shut down. Source: the port. */
const gracefulStopMs = 90_000

/** The embedded hypervisor: an own session-mode libvirtd and qcow2 overlays; see README.md. Rejects only with `tool-missing`. */
export async function createLibvirtHypervisor(options: LibvirtOptions): Promise<LibvirtHypervisor> {
  const { clock } = options
  const pool = new Pool(options.folder)
  const templates = new Templates(pool)
  const virsh = createVirsh(options.uri)
  const domains = new Domains(virsh)
  const acceleration = await chooseAcceleration(options.acceleration, join(options.folder, 'home/acceleration'))
  const network = options.networkOf === undefined ? await findUserNetwork() : undefined
  const networkOf =
    options.networkOf ?? (({ addresses }): GuestNetwork => ({ kind: network?.kind ?? 'slirp', sshPort: addresses.sshPort }))
  const watches = new Set<() => void>()
  // a mark is too long for the path of a socket, its UUID is not
  const socket = (key: VmKey, kind: 'console' | 'agent') => join(options.runFolder, 'c', `${uuidOf(key)}.${kind}`)

  /** Every verb on a VM begins so: a key that can be one, a pool that is there. */
  async function find(key: VmKey): Promise<Domain | undefined> {
    requireKey(key)
    await pool.require()
    return await domains.find(key)
  }

  async function need(key: VmKey): Promise<Domain> {
    const domain = await find(key)
    if (domain !== undefined) return domain
    throw new AppError({ code: 'vm-unknown', detail: `VM ${vmIdOf(key)} of generation ${key.generation} is not here.` })
  }

  async function define(spec: VmSpec, activating: boolean): Promise<void> {
    const bare = metadataOf(spec)
    const metadata = { ...bare, facts: { ...bare.facts, activating } }
    const files = {
      disk: pool.diskOf(spec.key),
      seed: pool.seedOf(spec.key),
      consoleSocket: socket(spec.key, 'console'),
      agentSocket: socket(spec.key, 'agent'),
    }
    await domains.define(domainXml({ spec, metadata, acceleration, network: networkOf(spec), files }), metadata)
  }

  /** Files first, the definition last: while anything is left, `find` tells of it. */
  async function remove(key: VmKey, domain: Domain | undefined): Promise<void> {
    if (domain !== undefined) await domains.forceOff(domain)
    await pool.remove(key)
    for (const kind of ['console', 'agent'] as const) await rm(socket(key, kind), { force: true })
    if (domain !== undefined) await rm(join(options.folder, qemuLogs, `${domain.name}.log`), { force: true })
    if (domain !== undefined) await domains.undefine(domain)
  }

  async function create(spec: VmSpec, verb: VerbOptions = {}): Promise<void> {
    requireSpec(spec)
    const present = await find(spec.key)
    if (present !== undefined && (await pool.isWhole(spec.key))) return
    if (present?.metadata.facts.activating === true) {
      throw new AppError({
        code: 'not-in-this-state',
        detail: `The disk of VM ${vmIdOf(spec.key)} is missing.`,
        hint: 'It was delivered: bring its storage back, or reinstall it.',
      })
    }
    if (present === undefined && (await domains.findAnyGeneration(spec.key)) !== undefined) {
      const detail = `VM ${vmIdOf(spec.key)} is there in another generation.`
      throw new AppError({ code: 'not-in-this-state', detail, hint: 'Reinstall it instead.' })
    }
    await pool.requireRoom(spec.template, spec.diskGiB)
    verb.signal?.throwIfAborted()
    try {
      // the definition first: after a kill the half-made VM is seen, and completed or taken back
      await define(spec, false)
      await pool.fill(spec.key, spec.template, spec.diskGiB, spec.seed, verb)
    } catch (error) {
      await remove(spec.key, await domains.find(spec.key).catch(() => undefined)).catch(() => undefined)
      throw error
    }
  }

  async function start(key: VmKey): Promise<void> {
    const domain = await need(key)
    if (!(await pool.isWhole(key))) {
      throw new AppError({ code: 'not-in-this-state', detail: `The disk of VM ${vmIdOf(key)} is not there.` })
    }
    const answer = await virsh.ask(['start', domain.uuid], { timeoutMs: 60_000 })
    if (answer.code !== 0 && !/already (active|running)/.test(answer.stderr)) {
      const cause = new Error(answer.stderr.trim())
      if (/Could not set up host forwarding|Address already in use/.test(answer.stderr)) {
        throw new AppError({ code: 'port-in-use', detail: `The port of VM ${vmIdOf(key)} is used by another program.`, cause })
      }
      throw new AppError({ code: 'process-failed', detail: `VM ${vmIdOf(key)} could not be started.`, cause })
    }
    // QEMU pauses a guest whose write found no room; its next start goes on where it was
    if ((await domains.state(domain)) === 'paused') await virsh.call('resume the VM', ['resume', domain.uuid])
    await virsh.call('turn autostart on', ['autostart', domain.uuid])
  }

  async function stop(key: VmKey, how: 'graceful' | 'force', verb: VerbOptions = {}): Promise<void> {
    const domain = await need(key)
    await virsh.call('turn autostart off', ['autostart', domain.uuid, '--disable'])
    const end = clock.monotonicMs() + gracefulStopMs
    for (let round = 0; how === 'graceful' && clock.monotonicMs() < end; round++) {
      const state = await domains.state(domain)
      if (state === 'stopped' || state === 'crashed') return
      if (state === 'paused') break
      verb.progress?.('shutting down')
      // asked again every ten seconds: a guest that is still booting does not hear the first one
      if (round % 20 === 0) await virsh.ask(['shutdown', domain.uuid, '--mode', 'acpi'])
      await clock.wait(500, verb.signal)
      verb.signal?.throwIfAborted()
    }
    await domains.forceOff(domain)
  }

  async function reinstall(from: VmKey, spec: VmSpec, verb: VerbOptions = {}): Promise<void> {
    requireSpec(spec)
    requireNextGeneration(from, spec.key)
    const old = await find(from)
    if (old === undefined) {
      await create(spec, verb)
      return await pool.remove(from)
    }
    await pool.requireRoom(spec.template, spec.diskGiB)
    try {
      // the new disk stands before the old one goes: what fails until here leaves the VM as it was
      await pool.fill(spec.key, spec.template, spec.diskGiB, spec.seed, verb)
    } catch (error) {
      await pool.remove(spec.key)
      throw error
    }
    const { spec: was, facts } = old.metadata
    const samePurchase = was.origin.buyer === spec.origin.buyer && was.origin.boughtBlock === spec.origin.boughtBlock
    await remove(from, old)
    await define(spec, facts.activating && samePurchase)
  }

  async function snapshot(key: VmKey, name: string, verb: VerbOptions = {}): Promise<void> {
    requireSnapshotName(name)
    const domain = await need(key)
    const state = await domains.state(domain)
    verb.progress?.('snapshot')
    const vm = { uuid: domain.uuid, running: state === 'running' || state === 'paused', disk: pool.diskOf(key) }
    await takeSnapshot(virsh, vm, name)
    await domains.setMetadata(domain, { ...domain.metadata, snapshots: [name] })
  }

  async function rollback(key: VmKey, name: string, verb: VerbOptions = {}): Promise<void> {
    requireSnapshotName(name)
    await need(key)
    if (!(await snapshotsIn(pool.diskOf(key))).includes(name)) {
      throw new AppError({ code: 'not-found', detail: `VM ${vmIdOf(key)} has no snapshot of this name.` })
    }
    await stop(key, 'force', verb)
    verb.progress?.('rollback')
    await restoreSnapshot(pool.diskOf(key), name)
  }

  async function metrics(key: VmKey): Promise<VmMetrics> {
    const domain = await need(key)
    const text = await virsh.call('read metrics', ['domstats', '--raw', domain.uuid])
    const values = new Map([...text.matchAll(/^\s*([a-z0-9._-]+)=(\d+)$/gm)].map(([, name, value]) => [name, Number(value)]))
    const value = (name: string) => values.get(name) ?? null
    const [cpu, rss] = [value('cpu.time'), value('balloon.rss')]
    return {
      at: clock.now(),
      cpuSeconds: cpu === null ? null : cpu / 1e9,
      memoryUsedMiB: rss === null ? null : Math.round(rss / 1024),
      diskReadBytes: value('block.0.rd.bytes'),
      diskWrittenBytes: value('block.0.wr.bytes'),
      networkReceivedBytes: value('net.0.rx.bytes'),
      networkSentBytes: value('net.0.tx.bytes'),
    }
  }

  return {
    initialisePool: () => pool.initialise(),
    async capabilities() {
      return {
        name: 'libvirt',
        acceleration,
        snapshots: true,
        console: true,
        isolation: options.isolation ?? false,
        loginEndpoint: `${options.hostAddress ?? network?.hostAddress ?? slirpHost}:${options.loginPort}`,
      }
    },
    async list() {
      await pool.require()
      return await domains.list()
    },
    async find(key) {
      const domain = await find(key)
      return domain === undefined ? undefined : await domains.record(domain)
    },
    create,
    start: (key) => start(key),
    stop,
    destroy: async (key) => remove(key, await find(key)),
    reinstall,
    snapshot,
    rollback,
    state: async (key) => domains.state(await need(key)),
    async console(key) {
      await need(key)
      return await openConsole(socket(key, 'console'))
    },
    metrics,
    agent: async (key, verb, io = {}) => askAgent(virsh, clock, await need(key), verb, io),
    async setFacts(key, facts) {
      const domain = await need(key)
      const { metadata } = domain
      await domains.setMetadata(domain, { ...metadata, facts: { ...metadata.facts, ...facts } })
    },
    async importTemplate(image, verb = {}) {
      requireSha256(image.sha256)
      await pool.require()
      return await templates.import(image, verb)
    },
    async templates() {
      await pool.require()
      return await templates.list()
    },
    async removeTemplate(sha256) {
      requireSha256(sha256)
      await pool.require()
      await templates.remove(sha256)
    },
    async capacity() {
      await pool.require()
      const [disk, vms] = await Promise.all([statfs(options.folder), domains.list()])
      const allocated = await Promise.all(vms.map(({ key }) => pool.allocatedBytes(key)))
      const free = disk.bavail * disk.bsize
      // a disk at full size and as much again for its one snapshot, less what it takes already
      const owed = vms.reduce((sum, vm, i) => sum + Math.max(0, vm.spec.diskGiB * gib * 2 - (allocated[i] ?? 0)), 0)
      const memoryTotalMiB = Math.floor(totalmem() / mib)
      return {
        // blocks that only the system may take are no room of ours; df counts the same way
        diskTotalBytes: (disk.blocks - disk.bfree + disk.bavail) * disk.bsize,
        diskFreeBytes: free,
        diskUnpromisedBytes: Math.max(0, free - owed),
        memoryTotalMiB,
        memoryUnpromisedMiB: Math.max(0, memoryTotalMiB - hostReserveMiB - vms.reduce((sum, vm) => sum + vm.spec.memoryMiB, 0)),
        vcpus: availableParallelism(),
      }
    },
    watch(wake) {
      const end = watchEvents(options.uri, clock, wake)
      watches.add(end)
      return () => {
        watches.delete(end)
        end()
      }
    },
    async close() {
      for (const end of watches) end()
      watches.clear()
    },
  }
}
