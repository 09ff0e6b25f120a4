import { z } from 'zod'
import { vmIdOf, type VmId, type VmKey } from '../chain/installation.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import type { SettingRepository } from '../store/settings.ts'
import type { StoredVm, VmMarkers, VmRepository } from '../store/vms.ts'

type VmName = Pick<VmKey, 'installation' | 'tokenId'>
const keptStoppedSetting = 'vms-kept-stopped'
const reinstallsSetting = 'vms-reinstalling'
const graceOverSetting = 'vms-grace-over-for'

/** A reinstall that has begun: for which generation, and who asked for it (lower case). */
const reinstallSchema = z.strictObject({ generation: z.number().int(), holder: z.string() })
export type BegunReinstall = z.output<typeof reinstallSchema>

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
  readonly #reinstalls = new Map<VmId, BegunReinstall>()
  readonly #graceOverFor = new Map<VmId, UnixSeconds>()
  #writes = 0

  private constructor(vms: VmRepository, settings: Pick<SettingRepository, 'get' | 'put'>) {
    this.#vms = vms
    this.#settings = settings
  }

  static async load(vms: VmRepository, settings: Pick<SettingRepository, 'get' | 'put'>): Promise<VmBooks> {
    const books = new VmBooks(vms, settings)
    for (const row of await vms.list()) books.#rows.set(vmIdOf(row), row)
    const kept = await settings.get(keptStoppedSetting, z.array(z.string()))
    for (const id of kept ?? []) books.#keptStopped.add(id as VmId)
    const over = await settings.get(graceOverSetting, z.record(z.string(), z.number()))
    for (const [id, at] of Object.entries(over ?? {})) books.#graceOverFor.set(id as VmId, at)
    const begun = await settings.get(reinstallsSetting, z.record(z.string(), reinstallSchema))
    for (const [id, reinstall] of Object.entries(begun ?? {})) books.#reinstalls.set(id as VmId, reinstall)
    return books
  }

  get(id: VmId): StoredVm | undefined {
    return this.#rows.get(id)
  }

  values(): IterableIterator<StoredVm> {
    return this.#rows.values()
  }

  /** Grows whenever a row comes, changes or goes. */
  get writes(): number {
    return this.#writes
  }

  isKeptStopped(id: VmId): boolean {
    return this.#keptStopped.has(id)
  }

  async put(vm: StoredVm): Promise<void> {
    await this.#vms.put(vm)
    this.#rows.set(vmIdOf(vm), vm)
    this.#writes += 1
  }

  async mark(vm: VmName, changes: Partial<OwnMarkers>): Promise<void> {
    await this.#vms.mark(vm, changes)
    const row = this.#rows.get(vmIdOf(vm))
    if (row !== undefined) this.#rows.set(vmIdOf(vm), { ...row, ...changes })
    this.#writes += 1
  }

  /** The VM is gone: kept in the store as history, no longer in the books. */
  async destroyed(vm: VmName, at: UnixSeconds): Promise<void> {
    await this.#vms.mark(vm, { destroyedAt: at })
    this.#rows.delete(vmIdOf(vm))
    this.#writes += 1
    await this.noteReinstall(vm, undefined)
    if (this.#graceOverFor.delete(vmIdOf(vm))) await this.#settings.put(graceOverSetting, Object.fromEntries(this.#graceOverFor))
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

  /** Which end of grace `graceOverSeenSince` was noted for; null if for none. */
  graceOverFor(id: VmId): UnixSeconds | null {
    return this.#graceOverFor.get(id) ?? null
  }

  /** Notes since when a grace is seen to be over, and which; or (null) that none is. */
  async noteGraceOver(vm: VmName, over: { since: UnixSeconds; graceEndsAt: UnixSeconds } | null): Promise<void> {
    const id = vmIdOf(vm)
    if (over === null) this.#graceOverFor.delete(id)
    else this.#graceOverFor.set(id, over.graceEndsAt)
    // which one first: a kill in between leaves a mark that counts for nothing
    await this.#settings.put(graceOverSetting, Object.fromEntries(this.#graceOverFor))
    await this.mark(vm, { graceOverSeenSince: over?.since ?? null })
  }

  /** The reinstall of a VM that has begun and whose disk is not there yet. */
  reinstallOf(id: VmId): BegunReinstall | undefined {
    return this.#reinstalls.get(id)
  }

  /** Begun, or (undefined) over. Persisted: only its own asker's reinstall may ever be taken up again. */
  async noteReinstall(vm: VmName, begun: BegunReinstall | undefined): Promise<void> {
    const id = vmIdOf(vm)
    if (begun === undefined && !this.#reinstalls.has(id)) return
    if (begun === undefined) this.#reinstalls.delete(id)
    else this.#reinstalls.set(id, begun)
    await this.#settings.put(reinstallsSetting, Object.fromEntries(this.#reinstalls))
  }
}
