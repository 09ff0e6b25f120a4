import { markOf, vmIdOf, type VmId, type VmKey } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import type { Capacity, Hypervisor, VmRecord, VmSpec } from '../hypervisor/port.ts'

/**
 * The least hypervisor that the loop's own tests need: VMs in a map, faults by setting a field. The contract of the port is
 * proven elsewhere; here only the loop is looked at.
 */
export class TestHypervisor {
  readonly records = new Map<VmId, VmRecord>()
  readonly seeds = new Map<string, VmSpec['seed']>()
  readonly calls: string[] = []
  capacityNow: Capacity = {
    diskTotalBytes: 1000 * 2 ** 30,
    diskFreeBytes: 900 * 2 ** 30,
    diskUnpromisedBytes: 900 * 2 ** 30,
    memoryTotalMiB: 1_000_000,
    memoryUnpromisedMiB: 1_000_000,
    vcpus: 8,
  }
  /** Every verb fails like a hypervisor that is down. */
  down = false
  /** Called with each verb before it acts: a test may hold or fail it. */
  before: (verb: string, key: VmKey) => Promise<void> | void = () => undefined
  /** Called with each verb after it acted: a test may fail it half-way, with what it made still there. */
  after: (verb: string, key: VmKey) => Promise<void> | void = () => undefined
  /** Called when a VM starts: a test lets its guest report. */
  onStart: (key: VmKey) => void = () => undefined

  port(): Hypervisor {
    const refuse = (): never => {
      throw new AppError({ code: 'not-supported', detail: 'The loop does not use this.' })
    }
    return {
      capabilities: () =>
        Promise.resolve({
          name: 'fake',
          acceleration: 'none',
          snapshots: true,
          console: false,
          isolation: true,
          loginEndpoint: '10.0.2.2:7443',
        }),
      list: () => this.#up(() => [...this.records.values()]),
      find: (key) => this.#up(() => this.#find(key)),
      create: (spec) => this.#verb('create', spec.key, () => this.#put(spec)),
      start: (key) =>
        this.#verb('start', key, () => {
          this.#change(key, { state: 'running', autostart: true })
          this.onStart(key)
        }),
      stop: (key) => this.#verb('stop', key, () => this.#change(key, { state: 'stopped', autostart: false })),
      destroy: (key) => this.#verb('destroy', key, () => void (this.#find(key) && this.records.delete(vmIdOf(key)))),
      reinstall: (from, spec) =>
        this.#verb('reinstall', spec.key, () => {
          if (this.#find(from) !== undefined) this.records.delete(vmIdOf(from))
          this.#put(spec)
        }),
      snapshot: (key, name) => this.#verb('snapshot', key, () => this.#change(key, { snapshots: [name] })),
      rollback: (key) => this.#verb('rollback', key, () => this.#change(key, { state: 'stopped', autostart: false })),
      state: (key) => this.#up(() => this.#find(key)?.state ?? refuse()),
      console: refuse,
      metrics: refuse,
      agent: refuse,
      setFacts: (key, facts) =>
        this.#verb('setFacts', key, () => {
          const record = this.#find(key) ?? refuse()
          this.records.set(vmIdOf(key), { ...record, facts: { ...record.facts, ...facts } })
        }),
      importTemplate: refuse,
      templates: () => Promise.resolve([]),
      removeTemplate: refuse,
      capacity: () => this.#up(() => this.capacityNow),
      watch: () => () => undefined,
    }
  }

  #find(key: VmKey): VmRecord | undefined {
    const record = this.records.get(vmIdOf(key))
    return record?.key.generation === key.generation ? record : undefined
  }

  #put(spec: VmSpec): void {
    if (this.#find(spec.key) !== undefined) return
    if (this.records.has(vmIdOf(spec.key))) throw new AppError({ code: 'vm-foreign', detail: 'Another generation is there.' })
    this.seeds.set(markOf(spec.key), spec.seed)
    const { vcpus, memoryMiB, diskGiB, addresses, mac, template, origin } = spec
    this.records.set(vmIdOf(spec.key), {
      key: spec.key,
      state: 'stopped',
      autostart: false,
      spec: { vcpus, memoryMiB, diskGiB, addresses, mac, template, origin },
      facts: { hostKey: null, activating: false },
      snapshots: [],
    })
  }

  #change(key: VmKey, change: Partial<VmRecord>): void {
    const record = this.#find(key)
    if (record === undefined) throw new AppError({ code: 'vm-unknown', detail: `There is no ${markOf(key)}.` })
    this.records.set(vmIdOf(key), { ...record, ...change })
  }

  async #verb(verb: string, key: VmKey, act: () => void): Promise<void> {
    await this.#up(() => undefined)
    await this.before(verb, key)
    this.calls.push(`${verb} ${key.tokenId}/${key.generation}`)
    act()
    await this.after(verb, key)
  }

  #up<T>(answer: () => T): Promise<T> {
    if (this.down) return Promise.reject(new AppError({ code: 'hypervisor-down', detail: 'The hypervisor is down.' }))
    return Promise.resolve().then(answer)
  }
}
