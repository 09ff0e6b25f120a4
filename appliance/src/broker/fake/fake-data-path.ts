import { AppError } from '../../errors/app-error.ts'
import type { Change, DataPath, Lease, LeaseCounters } from '../types.ts'

/**
 * The data path as a small world: what stands, by lease. Faults are caused as a person at the machine would cause them:
 * `failing`, `tamper`, `reboot`.
 */
export class FakeDataPath implements DataPath {
  #standing = new Map<string, Lease>()
  readonly counts = new Map<string, LeaseCounters>()
  /** While true every apply fails before it changes anything. */
  failing = false
  applies = 0

  /** What stands, as its leases. */
  get standing(): readonly Lease[] {
    return [...this.#standing.values()]
  }

  apply(state: readonly Lease[]): Promise<number> {
    if (this.failing) return Promise.reject(new AppError({ code: 'broker-data-path-failed', detail: 'nft refused the change' }))
    const { length } = this.#compare(state)
    this.applies += 1
    this.#standing = new Map(state.map((lease) => [lease.id, structuredClone(lease)]))
    return Promise.resolve(length)
  }

  plan(state: readonly Lease[]): Promise<readonly Change[]> {
    return Promise.resolve(this.#compare(state))
  }

  /** Milliseconds by address; whoever is not in it is silent. */
  readonly answering = new Map<string, number>()

  probe(address: string): Promise<number | undefined> {
    return Promise.resolve(this.answering.get(address))
  }

  counters(): Promise<readonly LeaseCounters[]> {
    return Promise.resolve([...this.counts.values()])
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Somebody else takes a peer away. */
  tamper(id: string): void {
    this.#standing.delete(id)
  }

  /** The machine was rebooted: nothing stands, nothing is remembered. */
  reboot(): void {
    this.#standing.clear()
  }

  #compare(state: readonly Lease[]): Change[] {
    const wanted = new Map(state.map((lease) => [lease.id as string, lease]))
    const line = (lease: Lease): string => `peer ${lease.peerKey} allowed ${lease.prefix}${lease.suspended ? ' suspended' : ''}`
    return [
      ...[...this.#standing.values()]
        .filter((lease) => !wanted.has(lease.id))
        .map((lease): Change => ({ part: 'peer', action: 'remove', text: line(lease), lease: lease.id })),
      ...state
        .filter((lease) => JSON.stringify(this.#standing.get(lease.id)) !== JSON.stringify(lease))
        .map((lease): Change => ({
          part: 'peer',
          action: this.#standing.has(lease.id) ? 'change' : 'add',
          text: line(lease),
          lease: lease.id,
        })),
    ]
  }
}
