import { isIP } from 'node:net'
import { markOf, type VmKey } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import { domainNameOf } from '../names.ts'
import type { PowerState, VmRecord } from '../port.ts'
import { permissions, resources, storageStatus, vmConfig, vmStatus, type Resource, type VmConfig } from './answers.ts'
import { isIdTaken } from './look.ts'
import { descriptionOf, hasOurTag, parseDescription, sameKey, templateNameOf, type Described } from './metadata.ts'
import type { ProxmoxOptions } from './options.ts'
import { disksOf } from './placement.ts'
import { isMissingVm, PveError } from './pve-error.ts'
import type { PveServer } from './server.ts'

/** A VM of ours as Proxmox has it. */
export interface OurVm extends Described {
  node: string
  config: VmConfig
}

/** All that one call tells of the cluster. */
export interface Overview {
  nodes: Resource[]
  storages: Resource[]
  vms: Resource[]
}

/**
 * How long a configuration that was read once counts as known, on average: we alone write to our VMs, an operator might. Each VM
 * has its own time between half and one and a half of it, so that those read together are not read together again.
 */
const configFreshMs = 10 * 60_000
/** How often the token's right to see VMs is looked at. */
const rightsFreshMs = 60_000
/** Configurations read at once. */
const readers = 8

interface Cached {
  looks: string
  readAtMs: number
  vm: Omit<OurVm, 'config'> & { onboot: boolean }
}

/** How long the configuration of a VM counts as known. Consecutive ids are spread evenly. Source: the golden ratio, Knuth 6.4. */
export function freshMs(vmid: number): number {
  return configFreshMs * (0.5 + ((vmid * 0.618_033_988_75) % 1))
}

/** Finds our VMs, and never takes a fault for absence. */
export class Inventory {
  readonly #server: PveServer
  readonly #options: ProxmoxOptions
  readonly #cache = new Map<number, Cached>()
  /** Locks in configurations of our range, and since when they are seen. */
  readonly locks = new Map<number, { lock: string; node: string; sinceMs: number }>()
  #rightsAtMs = Number.NEGATIVE_INFINITY
  #shared: boolean | undefined

  constructor(server: PveServer, options: ProxmoxOptions) {
    this.#server = server
    this.#options = options
  }

  /** Must be called after each write to a VM. */
  forget(vmid: number): void {
    this.#cache.delete(vmid)
  }

  /**
   * The one call, checked: throws `pool-not-mounted` where the storage of the disks is not available on a node that is up,
   * `privilege-missing` where the token does not see it or no longer sees VMs.
   */
  async overview(): Promise<Overview> {
    const all = await this.#server.client.get('/cluster/resources', resources)
    const nodes = all.filter((r) => r.type === 'node')
    const storages = all.filter((r) => r.type === 'storage' && r.storage === this.#options.diskStorage)
    if (storages.length === 0) {
      throw new AppError({
        code: 'privilege-missing',
        detail: `The token does not see the storage ${this.#options.diskStorage}: it is gone, or Datastore.AllocateSpace on /storage/${this.#options.diskStorage} is missing.`,
      })
    }
    for (const storage of storages) {
      const up = nodes.some((node) => node.node === storage.node && node.status === 'online')
      if (up && storage.status !== 'available') throw notMounted(this.#options.diskStorage, storage.node ?? '')
    }
    await this.#requireSight()
    this.#noteLocks(all)
    this.#shared = storages.some((storage) => storage.shared === true)
    return { nodes, storages, vms: all.filter((r) => r.type === 'qemu' && r.vmid !== undefined) }
  }

  /** The name under which allocations of disks of a node wait for each other. */
  async disksOf(node: string): Promise<string> {
    if (this.#shared === undefined) await this.overview()
    return disksOf(node, this.#shared === true)
  }

  #noteLocks(all: readonly Resource[]): void {
    const held = all.filter((r) => r.type === 'qemu' && this.isInRange(r.vmid) && r.lock !== undefined)
    for (const vmid of this.locks.keys()) if (!held.some((r) => r.vmid === vmid)) this.locks.delete(vmid)
    for (const { vmid = 0, lock = '', node = '' } of held) {
      if (this.locks.get(vmid)?.lock !== lock) this.locks.set(vmid, { lock, node, sinceMs: this.#server.clock.monotonicMs() })
    }
  }

  /** A list that is short because a right was taken away looks like VMs that are gone. */
  async #requireSight(): Promise<void> {
    const now = this.#server.clock.monotonicMs()
    if (now - this.#rightsAtMs < rightsFreshMs) return
    const path = `/pool/${this.#options.pool}`
    const granted = await this.#server.client.get('/access/permissions', permissions, { path })
    if (granted[path]?.['VM.Audit'] !== true) {
      throw new AppError({ code: 'privilege-missing', detail: `To list VMs, the token lacks VM.Audit on ${path}.` })
    }
    this.#rightsAtMs = now
  }

  isInRange(vmid: number | undefined): boolean {
    const { from, to } = this.#options.vmids
    return vmid !== undefined && vmid >= from && vmid <= to
  }

  /** Our VMs, whole or not. Of VMs that Proxmox knows and the token no longer sees, and of nodes that are down: what was known. */
  async list(): Promise<VmRecord[]> {
    const { vms, nodes } = await this.overview()
    const isUp = (name: string) => nodes.some((node) => node.node === name && node.status === 'online')
    const candidates = vms.filter((r) => this.isInRange(r.vmid) && r.template !== true)
    const found = new Map<string, { record: VmRecord; whole: boolean }>()
    for (let at = 0; at < candidates.length; at += readers * 8) {
      const part = candidates.slice(at, at + readers * 8)
      const records = await Promise.all(part.map((resource) => this.#record(resource, isUp)))
      for (const one of records) if (one !== undefined) found.set(markOf(one.record.key), one)
    }
    const seen = new Set(candidates.map((r) => r.vmid))
    for (const [mark, known] of this.#server.journal.known) {
      if (found.has(mark) || seen.has(known.vmid)) continue
      const record = await this.#unseen(mark, known)
      if (record !== undefined) found.set(mark, record)
    }
    return withoutHalfMade([...found.values()])
  }

  async #record(resource: Resource, isUp: (node: string) => boolean): Promise<{ record: VmRecord; whole: boolean } | undefined> {
    const { vmid = 0, node = '' } = resource
    const looks = `${node} ${resource.name} ${resource.tags}`
    const now = this.#server.clock.monotonicMs()
    const cached = this.#cache.get(vmid)
    let vm = cached !== undefined && cached.looks === looks && now - cached.readAtMs < freshMs(vmid) ? cached.vm : undefined
    if (vm === undefined) {
      if (!isUp(node)) return this.#ofDownNode(resource)
      const read = await this.#read(node, vmid)
      if (read === undefined) return undefined
      vm = { ...read, onboot: read.config.onboot === true }
      this.#cache.set(vmid, { looks, readAtMs: now, vm })
    }
    const state = isUp(node) ? await this.#stateOf(resource) : 'unknown'
    return { record: this.recordOf(vm, state, vm.onboot), whole: vm.whole }
  }

  /** The statistics come some seconds late: of a new VM the overview knows neither name nor state. */
  async #stateOf({ node = '', vmid = 0, status }: Resource): Promise<PowerState> {
    if (status === 'running' || status === 'stopped') return status
    const now = await this.#server.client.get(`/nodes/${node}/qemu/${vmid}/status/current`, vmStatus)
    return now.status === 'running' || now.status === 'stopped' ? now.status : 'unknown'
  }

  /**
   * What a node that does not answer holds is known from before, and unknown in its state. Throws `hypervisor-down` for one that
   * is not known and may be ours: a list without it would say that it is gone.
   */
  #ofDownNode(resource: Resource): { record: VmRecord; whole: boolean } | undefined {
    const { vmid = 0, node = '' } = resource
    const { journal } = this.#server
    const mark = journal.markAt(vmid)
    const known = mark === undefined ? undefined : journal.knownOf(mark)
    const record = mark === undefined || known === undefined ? undefined : this.#recordFromKnown(mark, known)
    if (record !== undefined) return record
    if (this.#mayBeOurs(resource)) throw nodeDown(node, vmid)
    return undefined
  }

  /** Of a VM that cannot be read: its id is in our range, nobody else is known to have it, and what is told of it is like ours. */
  #mayBeOurs({ vmid, name, tags, template }: Resource): boolean {
    if (!this.isInRange(vmid) || template === true) return false
    if (name !== undefined && !name.startsWith('fh-')) return false
    if (name?.startsWith(templateNameOf('')) === true) return false
    if (tags !== undefined && !hasOurTag(tags)) return false
    return vmid !== undefined && this.#server.journal.markAt(vmid) === undefined
  }

  /** A VM that we know and that was not in the list: undefined only if its id is surely free. */
  async #unseen(
    mark: string,
    known: { vmid: number; node: string; description: string },
  ): Promise<{ record: VmRecord; whole: boolean } | undefined> {
    if (!(await this.idTaken(known.vmid))) {
      this.#server.journal.setKnown(mark, undefined)
      return undefined
    }
    return this.#recordFromKnown(mark, known)
  }

  #recordFromKnown(mark: string, known: { vmid: number; description: string }): { record: VmRecord; whole: boolean } | undefined {
    const described = parseDescription(known.description, { vmid: known.vmid, name: nameIn(mark) })
    return described === undefined ? undefined : { record: this.recordOf(described, 'unknown', false), whole: described.whole }
  }

  /** A VM as the port tells of it. */
  recordOf(vm: Described, state: PowerState, autostart: boolean): VmRecord {
    const { key, spec, facts, snapshots } = vm.metadata
    const page = pageOf(vm.vmid, this.#options.ways)
    return { key, state, autostart, spec, facts, snapshots, ...(page !== undefined && { page }) }
  }

  /** Whether any VM has the id, also one that the token may not see. */
  async idTaken(vmid: number): Promise<boolean> {
    return await isIdTaken(this.#server.client, vmid)
  }

  /** The VM of a key, read now; undefined if it surely is not there. Throws `vm-foreign`, `pool-not-mounted`. */
  async find(key: VmKey): Promise<OurVm | undefined> {
    const known = this.#server.journal.knownOf(markOf(key))
    if (known !== undefined) {
      await this.#requireStorage(known.node)
      const there = await this.#read(known.node, known.vmid).catch((error: unknown) => {
        if (error instanceof PveError && (error.kind === 'forbidden' || error.kind === 'refused')) return undefined
        throw error
      })
      if (there !== undefined && sameKey(there.metadata.key, key)) return there
    }
    return await this.#search(key, known?.vmid)
  }

  async #search(key: VmKey, knownId: number | undefined): Promise<OurVm | undefined> {
    const { vms, nodes } = await this.overview()
    const name = domainNameOf(key)
    for (const resource of vms) {
      const { vmid = 0, node = '' } = resource
      // a VM that the statistics have not seen yet has no name there
      if (vmid !== knownId && resource.name !== undefined && resource.name !== name) continue
      if (nodes.some((n) => n.node === node && n.status !== 'online')) {
        if (vmid !== knownId && resource.name !== name && !this.#mayBeOurs(resource)) continue
        throw nodeDown(node, vmid)
      }
      const config = await this.#config(node, vmid)
      if (config === undefined) continue
      const vm = this.#judge(config, node, vmid)
      if (vm !== undefined && sameKey(vm.metadata.key, key)) return vm
      if (vm === undefined && config.name === name && config.template !== true) {
        throw new AppError({ code: 'vm-foreign', detail: `VM ${vmid} on ${node} bears the name ${name} without our mark.` })
      }
    }
    if (knownId !== undefined && !vms.some((r) => r.vmid === knownId) && (await this.idTaken(knownId))) {
      throw new AppError({
        code: 'privilege-missing',
        detail: `VM ${knownId} is there and the token does not see it.`,
        hint: `Put it back into the pool ${this.#options.pool}: somebody took it out.`,
      })
    }
    this.#server.journal.setKnown(markOf(key), undefined)
    return undefined
  }

  /** The VM under an id that an intent names, if it says itself that it is of that key. A 403 is somebody else's VM. */
  async readAt(node: string, vmid: number, key: VmKey): Promise<OurVm | undefined> {
    try {
      const vm = await this.#read(node, vmid)
      return vm !== undefined && sameKey(vm.metadata.key, key) ? vm : undefined
    } catch (error) {
      if (error instanceof PveError && error.kind === 'forbidden') return undefined
      throw error
    }
  }

  /** Any generation of the VM of a key that is ours. */
  async findAnyGeneration(key: VmKey): Promise<OurVm | undefined> {
    const { vms, nodes } = await this.overview()
    for (const resource of vms) {
      const { name, vmid = 0, node = '' } = resource
      if ((name !== undefined && name !== domainNameOf(key)) || !this.isInRange(vmid)) continue
      if (!nodes.some((n) => n.node === node && n.status === 'online')) {
        if (name === domainNameOf(key) || this.#mayBeOurs(resource)) throw nodeDown(node, vmid)
        continue
      }
      const vm = await this.#read(node, vmid)
      if (vm !== undefined && domainNameOf(vm.metadata.key) === domainNameOf(key)) return vm
    }
    return undefined
  }

  async #read(node: string, vmid: number): Promise<OurVm | undefined> {
    const config = this.isInRange(vmid) ? await this.#config(node, vmid) : undefined
    return config === undefined ? undefined : this.#judge(config, node, vmid)
  }

  /** One configuration; undefined if there is no such VM. */
  async #config(node: string, vmid: number): Promise<VmConfig | undefined> {
    try {
      return await this.#server.client.get(`/nodes/${node}/qemu/${vmid}/config`, vmConfig)
    } catch (error) {
      if (isMissingVm(error)) return undefined
      throw error
    }
  }

  /** Undefined if the VM is not ours: range, tag, name and description must all agree. */
  #judge(config: VmConfig, node: string, vmid: number): OurVm | undefined {
    if (!this.isInRange(vmid) || config.template === true || !hasOurTag(config.tags)) return undefined
    const read = parseDescription(config.description, { vmid, name: config.name })
    if (read === undefined) return undefined
    const { journal } = this.#server
    const mark = markOf(read.metadata.key)
    // a rollback that broke off left the facts of another day: those that are to come back count
    const pending = journal.pendingOf(mark)
    const described = pending === undefined ? read : (parseDescription(pending, { vmid, name: config.name }) ?? read)
    journal.setKnown(mark, { vmid, node, description: descriptionOf(described) })
    return { ...described, node, config }
  }

  async #requireStorage(node: string): Promise<void> {
    const { diskStorage } = this.#options
    const status = await this.#server.client.get(`/nodes/${node}/storage/${diskStorage}/status`, storageStatus)
    if (!status.active) throw notMounted(diskStorage, node)
  }
}

function nodeDown(node: string, vmid: number): AppError {
  return new AppError({ code: 'hypervisor-down', detail: `The node ${node}, which has VM ${vmid}, does not answer.` })
}

function notMounted(storage: string, node: string): AppError {
  return new AppError({
    code: 'pool-not-mounted',
    detail: `The storage ${storage} is not available on ${node}.`,
    hint: 'On the node: pvesm status. Nothing was taken away meanwhile.',
  })
}

/**
 * Where a person finds the VM: any node of a cluster shows all of it. Source: pve-manager's StateProvider, version 1 of the state
 * behind `#`: the view (0 is by servers), then what is chosen in it.
 */
export function pageOf(vmid: number, ways: ProxmoxOptions['ways']): string | undefined {
  const [first] = ways
  if (first === undefined) return undefined
  const { host, port } = first.endpoint
  return `https://${isIP(host) === 6 ? `[${host}]` : host}:${port}/#v1:0:=${encodeURIComponent(`qemu/${vmid}`)}`
}

function nameIn(mark: string): string {
  const [, installation = '', tokenId = ''] = /^freehold:([0-9a-f]+)\/(\d+)\//.exec(mark) ?? []
  return domainNameOf({ installation, tokenId: BigInt(tokenId === '' ? 0 : tokenId) })
}

/** While a reinstall is under way both generations are there; the one that is not whole is not told of. */
function withoutHalfMade(all: { record: VmRecord; whole: boolean }[]): VmRecord[] {
  const name = (record: VmRecord) => domainNameOf(record.key)
  return all
    .filter((one) => one.whole || !all.some((other) => other !== one && name(other.record) === name(one.record) && other.whole))
    .map((one) => one.record)
}
