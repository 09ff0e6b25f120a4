import { z } from 'zod'
import { vmIdOf, type VmId, type VmKey } from '../chain/installation.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import type { SettingRepository } from '../store/settings.ts'
import type { StoredVm, VmMarkers, VmRepository } from '../store/vms.ts'

type VmName = Pick<VmKey, 'installation' | 'tokenId'>
const keptStoppedSetting = 'vms-kept-stopped'

/** What the loop itself notes, and what no other part of the daemon writes: safe to hold in memory. */
type OwnMarkers = Pick<VmMarkers, 'activateIntentAt' | 'activatedSeenAt' | 'graceOverSeenSince' | 'destroyedAt'>

/**
 * The rows of all VMs that are not destroyed, read once and written through: a pass with nothing to do asks the store for
 * nothing. What the guest API writes (reports, secrets) is never read from here.
 */
export class VmBooks {
  readonly #vms: VmRepository
  readonly #settings: Pick<SettingRepository, 'get' | 'put'>
  readonly #rows = new Map<VmId, StoredVm>()
  readonly #keptStopped = new Set<VmId>()

  private constructor(vms: VmRepository, settings: Pick<SettingRepository, 'get' | 'put'>) {
    this.#vms = vms
    this.#settings = settings
  }

  static async load(vms: VmRepository, settings: Pick<SettingRepository, 'get' | 'put'>): Promise<VmBooks> {
    const books = new VmBooks(vms, settings)
    for (const row of await vms.list()) books.#rows.set(vmIdOf(row), row)
    const kept = await settings.get(keptStoppedSetting, z.array(z.string()))
    for (const id of kept ?? []) books.#keptStopped.add(id as VmId)
    return books
  }

  get(id: VmId): StoredVm | undefined {
    return this.#rows.get(id)
  }

  values(): IterableIterator<StoredVm> {
    return this.#rows.values()
  }

  isKeptStopped(id: VmId): boolean {
    return this.#keptStopped.has(id)
  }

  async put(vm: StoredVm): Promise<void> {
    await this.#vms.put(vm)
    this.#rows.set(vmIdOf(vm), vm)
  }

  async mark(vm: VmName, changes: Partial<OwnMarkers>): Promise<void> {
    await this.#vms.mark(vm, changes)
    const row = this.#rows.get(vmIdOf(vm))
    if (row !== undefined) this.#rows.set(vmIdOf(vm), { ...row, ...changes })
  }

  /** The VM is gone: kept in the store as history, no longer in the books. */
  async destroyed(vm: VmName, at: UnixSeconds): Promise<void> {
    await this.#vms.mark(vm, { destroyedAt: at })
    this.#rows.delete(vmIdOf(vm))
    await this.keepStopped(vm, false)
  }

  /** Whether a person wants it stopped. Persisted, so that a restart of the daemon does not start it. */
  async keepStopped(vm: VmName, stopped: boolean): Promise<void> {
    const id = vmIdOf(vm)
    if (this.#keptStopped.has(id) === stopped) return
    if (stopped) this.#keptStopped.add(id)
    else this.#keptStopped.delete(id)
    await this.#settings.put(keptStoppedSetting, [...this.#keptStopped])
  }
}
