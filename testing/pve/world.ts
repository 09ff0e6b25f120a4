import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Faults } from './faults.ts'
import type { Machines } from './machines.ts'
import { died, noSuchVm } from './refusal.ts'

/** The texts and numbers of a configuration, as the server answers them. */
export type VmConfig = Record<string, string | number>

export interface Snapshot {
  name: string
  description: string
  snaptime: number
  parent: string | undefined
  vmstate: boolean
  config: VmConfig
  /** What the disks held, in the fake-speed world. */
  disks: Record<string, string>
}

/** A VM as pmxcfs and QEMU have it. */
export interface Vm {
  vmid: number
  node: string
  config: VmConfig
  /** Changes that wait for the next start. */
  pending: VmConfig
  power: 'stopped' | 'running' | 'paused'
  pool: string | undefined
  snapshots: Snapshot[]
  parent: string | undefined
  startedAt: number
  /** `performance.now()` of its making. */
  bornAtMs: number
  firewall: Firewall
}

/** The firewall file of a VM. It may be there before and after the VM itself. */
export interface Firewall {
  options: Record<string, string | number>
  rules: Record<string, string | number>[]
  ipsets: Map<string, { cidr: string }[]>
}

export interface Volume {
  volid: string
  storage: string
  /** Where it lies; null on shared storage. */
  node: string | null
  content: string
  format: string
  sizeBytes: number
  vmid: number | undefined
  /** Volume that it is laid over. */
  parent: string | undefined
  ctime: number
  /** What a guest wrote to it, in the fake-speed world. */
  data: string
  /** The image file, in the real one. */
  path: string | undefined
  notes?: string
  /** The configuration inside of an archive. */
  backup?: VmConfig
}

export interface Storage {
  id: string
  type: 'dir' | 'lvmthin' | 'lvm'
  content: string
  shared: boolean
  totalBytes: number
  active: boolean
  /** Nodes that have it; all if empty. */
  nodes: readonly string[]
}

export interface Node {
  name: string
  online: boolean
  memoryMiB: number
  cpus: number
  bridges: Set<string>
  fingerprint: string
}

export interface Task {
  upid: string
  node: string
  type: string
  id: string
  user: string
  tokenid: string | undefined
  pid: number
  pstart: number
  starttime: number
  endtime: number | undefined
  exit: string | undefined
  lines: string[]
  /** The record was lost: the server knows nothing of it. */
  lost: boolean
  stopped: AbortController
  done: Promise<void>
}

/** Thrown inside of tasks that somebody stopped. */
export class TaskStopped extends Error {}

export interface WorldOptions {
  /** 1 is the speed of the recorded server, 0 is none at all. */
  pace: number
  nodes: readonly string[]
  /** Runs guests; without it power is a word only. */
  machines?: Machines
  faults: Faults
}

const gib = 2 ** 30
/** How long a lock is waited for, in ms at pace 1. */
const lockWaitMs = 10_000

/** Everything that a cluster knows. Routes read and change it; nothing else does. */
export class World {
  /** A test may slow it down in the middle. */
  pace: number
  readonly machines: Machines | undefined
  readonly faults: Faults
  readonly nodes = new Map<string, Node>()
  readonly storages = new Map<string, Storage>()
  readonly volumes = new Map<string, Volume>()
  readonly vms = new Map<number, Vm>()
  readonly tasks = new Map<string, Task>()
  readonly pools = new Map<string, { comment: string }>()
  readonly clusterOptions: Record<string, string | number> = {}
  readonly clusterFirewall: Firewall = { options: {}, rules: [], ipsets: new Map() }
  /** Firewall files of VMs that are not there. */
  readonly strayFirewalls = new Map<number, Firewall>()
  readonly zones = new Map<string, Record<string, string | number>>()
  readonly vnets = new Map<string, Record<string, string | number>>()
  readonly subnets = new Map<string, Record<string, string | number>>()
  readonly interfaces = new Map<string, Record<string, string | number>>()
  /** A VM is in the overview with its name and state only so long after it was made: the server's statistics come late. */
  statLagMs = 0
  /** Guests that hear no power button, and guests whose agent says nothing. */
  readonly deaf = new Set<number>()
  readonly silent = new Set<number>()
  /** VMs that the overview leaves out. */
  readonly hidden = new Set<number>()
  /** Addresses that guests have from somewhere else than their configuration. */
  readonly addresses = new Map<number, string>()
  /** Programs that the host of the nodes does without. */
  readonly lacks = new Set<'sendmail' | 'qmeventd' | 'termproxy'>()
  /** Files of the host that root may name, with their size in bytes. */
  readonly hostFiles = new Map<string, number>()
  /** Ids in the middle of a create: taken, without a readable configuration. */
  readonly reserved = new Map<number, { node: string; clone: boolean }>()
  readonly #locks = new Map<string, Promise<void>>()
  #pid = 0x170
  #pstart = 0x3eec4

  constructor(options: WorldOptions) {
    this.pace = options.pace
    this.machines = options.machines
    this.faults = options.faults
    for (const name of options.nodes) {
      this.nodes.set(name, {
        name,
        online: true,
        memoryMiB: 65_536,
        cpus: 16,
        bridges: new Set(['vmbr0']),
        fingerprint: '',
      })
    }
  }

  now(): number {
    return Math.floor(Date.now() / 1000)
  }

  /** Waits so long at the speed of this world. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms * this.pace < 1) return
    await delay(ms * this.pace, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  }

  addStorage(storage: Partial<Storage> & { id: string }): Storage {
    const whole: Storage = {
      type: 'dir',
      content: 'images,vztmpl,snippets,iso,backup,rootdir',
      shared: false,
      totalBytes: 500 * gib,
      active: true,
      nodes: [],
      ...storage,
    }
    this.storages.set(whole.id, whole)
    return whole
  }

  /** Volumes of different nodes bear the same name on storage that is not shared. */
  volumeKey(node: string, volid: string): string {
    const storage = this.storages.get(volid.split(':')[0] ?? '')
    return storage?.shared === true ? volid : `${node}/${volid}`
  }

  volume(node: string, volid: string): Volume | undefined {
    return this.volumes.get(this.volumeKey(node, volid))
  }

  addVolume(volume: Omit<Volume, 'ctime' | 'data' | 'path' | 'parent' | 'vmid'> & Partial<Volume>): Volume {
    const whole: Volume = { data: '', path: undefined, parent: undefined, vmid: undefined, ctime: this.now(), ...volume }
    this.volumes.set(this.volumeKey(whole.node ?? '', whole.volid), whole)
    return whole
  }

  usedBytes(node: string, storage: string): number {
    const here = [...this.volumes.values()].filter((v) => v.storage === storage && (v.node === null || v.node === node))
    return here.reduce((sum, v) => sum + (v.parent === undefined ? v.sizeBytes / 8 : 2 ** 20), 0)
  }

  /** Throws the text of a full disk where one is. */
  requireRoom(node: string, storageId: string, bytes: number): void {
    const storage = this.storages.get(storageId)
    if (storage === undefined) throw died(`storage '${storageId}' does not exist`)
    const full = storageId.includes('sentinel-full') || this.faults.strikes('storage-full', { node, storage: storageId })
    if (full || this.usedBytes(node, storageId) + Math.min(bytes, 2 ** 20) > storage.totalBytes) {
      throw died(`unable to create image: qemu-img: /var/lib/vz/images: Could not resize file: No space left on device`)
    }
  }

  vm(node: string, vmid: number): Vm {
    const found = this.vms.get(vmid)
    if (found === undefined || found.node !== node) throw noSuchVm(node, vmid)
    return found
  }

  exists(vmid: number): boolean {
    return this.vms.has(vmid) || this.reserved.has(vmid)
  }

  nodeOf(vmid: number): string | undefined {
    return this.vms.get(vmid)?.node ?? this.reserved.get(vmid)?.node
  }

  newVm(node: string, vmid: number, config: VmConfig, pool?: string): Vm {
    const firewall = this.strayFirewalls.get(vmid) ?? { options: {}, rules: [], ipsets: new Map() }
    this.strayFirewalls.delete(vmid)
    const vm: Vm = {
      vmid,
      node,
      config,
      pending: {},
      power: 'stopped',
      pool,
      snapshots: [],
      parent: undefined,
      startedAt: 0,
      bornAtMs: performance.now(),
      firewall,
    }
    this.vms.set(vmid, vm)
    return vm
  }

  firewallOf(vmid: number): Firewall {
    const found = this.vms.get(vmid)?.firewall ?? this.strayFirewalls.get(vmid)
    if (found !== undefined) return found
    const fresh: Firewall = { options: {}, rules: [], ipsets: new Map() }
    this.strayFirewalls.set(vmid, fresh)
    return fresh
  }

  /** Runs `work` with the lock of that name; waits 10 s for it, then fails in the server's words. */
  async withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(file)
    if (before !== undefined) {
      const limit = Math.max(40, lockWaitMs * this.pace)
      const got = await Promise.race([before.then(() => true), delay(limit).then(() => false)])
      if (!got) throw died(`can't lock file '${file}' - got timeout`)
      return await this.withLock(file, work)
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#locks.set(file, promise)
    try {
      return await work()
    } finally {
      this.#locks.delete(file)
      resolve()
    }
  }

  async withVmLock<T>(vmid: number, work: () => Promise<T>): Promise<T> {
    const file = `/var/lock/qemu-server/lock-${vmid}.conf`
    if (this.faults.strikes('lock-held', { vmid })) throw died(`can't lock file '${file}' - got timeout`)
    return await this.withLock(file, work)
  }

  /** Begins a task and gives its UPID. `work` runs after a moment; what it throws becomes the exit status. */
  startTask(
    node: string,
    type: string,
    id: string,
    user: string,
    work: (task: Task) => Promise<void>,
    options: { ms?: number } = {},
  ): string {
    const hex = (n: number) => n.toString(16).toUpperCase().padStart(8, '0')
    const starttime = this.now()
    const [userid = '', tokenid] = user.split('!')
    this.#pid += 3
    this.#pstart += 41
    const upid = `UPID:${node}:${hex(this.#pid)}:${hex(this.#pstart)}:${hex(starttime)}:${type}:${id}:${user}:`
    const { promise, resolve } = Promise.withResolvers<void>()
    const task: Task = {
      upid,
      node,
      type,
      id,
      user: userid,
      tokenid,
      pid: this.#pid,
      pstart: this.#pstart,
      starttime,
      endtime: undefined,
      exit: undefined,
      lines: [],
      lost: false,
      stopped: new AbortController(),
      done: promise,
    }
    this.tasks.set(upid, task)
    void this.#run(task, work, options.ms ?? 300).finally(resolve)
    return upid
  }

  async #run(task: Task, work: (task: Task) => Promise<void>, ms: number): Promise<void> {
    await delay(this.pace === 0 ? 1 : 0)
    await this.wait(ms, task.stopped.signal)
    try {
      await this.faults.held(task)
      const before = this.faults.taskFailure(task, 'before')
      if (before !== undefined) throw died(before)
      if (task.stopped.signal.aborted) throw new TaskStopped()
      await work(task)
      const after = this.faults.taskFailure(task, 'after')
      if (after !== undefined) throw died(after)
      task.exit = 'OK'
      task.lines.push('TASK OK')
    } catch (error) {
      const text = error instanceof TaskStopped ? 'unexpected status' : error instanceof Error ? error.message : String(error)
      task.exit = text
      task.lines.push(`TASK ERROR: ${text}`)
    }
    task.endtime = this.now()
    if (this.faults.losesTask(task)) task.lost = true
  }

  /** Resolves when no task runs. */
  async settle(): Promise<void> {
    for (;;) {
      const running = [...this.tasks.values()].filter((task) => task.endtime === undefined)
      if (running.length === 0) return
      await Promise.all(running.map((task) => task.done))
    }
  }
}

/** SHA-1 of a configuration file, as the server would reckon it of its own text. */
export function digestOf(config: VmConfig): string {
  return createHash('sha1')
    .update(JSON.stringify(Object.entries(config).toSorted(([a], [b]) => a.localeCompare(b))))
    .digest('hex')
}

export function randomMac(): string {
  return `BC:24:11:${[...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`.toUpperCase()
}

export const newUuid = randomUUID
