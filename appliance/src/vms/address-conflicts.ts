import { vmIdOf, type VmId, type VmKey } from '../chain/installation.ts'
import type { ChainSnapshot } from '../chain/port.ts'
import type { StoredVm } from '../store/vms.ts'
import type { StandingIssue } from './standing-issues.ts'
import type { VmBooks } from './vm-books.ts'

/** Rows of other VMs that hold an address of this one: who it passes to when this VM is gone. */
export function sharing(vm: Pick<VmKey, 'installation' | 'tokenId'>, rows: Iterable<StoredVm>): StoredVm[] {
  const all = [...rows]
  const own = all.find((row) => vmIdOf(row) === vmIdOf(vm))?.addresses
  if (own === undefined) return []
  return all.filter(
    (row) =>
      vmIdOf(row) !== vmIdOf(vm) &&
      (['ipv4', 'ipv6', 'sshPort'] as const).some((kind) => own[kind] !== null && row.addresses[kind] === own[kind]),
  )
}

/**
 * Rows of VMs that have a use for their addresses. An old database may know one that has ended and is gone since: nobody can be
 * reached there, and another VM may have been given its address rightly.
 */
export function inUse(
  rows: Iterable<StoredVm>,
  isThere: (id: VmId) => boolean,
  snapshots: readonly Pick<ChainSnapshot, 'installation' | 'subscriptions'>[],
): StoredVm[] {
  const chains = new Map(snapshots.map((snapshot) => [snapshot.installation, snapshot.subscriptions]))
  return [...rows].filter((row) => {
    const subscriptions = chains.get(row.installation)
    // a chain that cannot be read says nothing of its VMs
    if (isThere(vmIdOf(row)) || subscriptions === undefined) return true
    const subscription = subscriptions.get(row.tokenId)
    return subscription !== undefined && subscription.state !== 'ended'
  })
}

/** The same as `addressConflicts` of `inUse`, for passes: rows that share nothing are not compared again until one is written. */
export class AddressConflicts {
  readonly #books: VmBooks
  #compared = -1
  #none = false

  constructor(books: VmBooks) {
    this.#books = books
  }

  among(...[isThere, snapshots]: ParametersExceptFirst<typeof inUse>): ReturnType<typeof addressConflicts> {
    if (this.#compared !== this.#books.writes) {
      this.#compared = this.#books.writes
      this.#none = addressConflicts(this.#books.values()).length === 0
    }
    // of rows in use no two share what no two of all share
    return this.#none ? [] : addressConflicts(inUse(this.#books.values(), isThere, snapshots))
  }
}

type ParametersExceptFirst<F extends (...args: never[]) => unknown> = Parameters<F> extends [unknown, ...infer R] ? R : never

/** VMs that hold an address which another VM holds as well: found anew at every pass, for as long as it is so. */
export function addressConflicts(rows: Iterable<StoredVm>): (Omit<StandingIssue, 'since'> & { subject: VmId })[] {
  const owners = new Map<string, VmId[]>()
  for (const row of rows) {
    const { ipv4, ipv6, sshPort } = row.addresses
    for (const address of [ipv4, ipv6, sshPort === null ? null : `port ${sshPort}`]) {
      if (address === null) continue
      const ids = owners.get(address)
      if (ids === undefined) owners.set(address, [vmIdOf(row)])
      else ids.push(vmIdOf(row))
    }
  }
  return [...owners].flatMap(([address, ids]) => {
    if (ids.length < 2) return []
    const detail = `${address} is entered for ${ids.slice(0, 4).join(', ')}${ids.length > 4 ? ` and ${ids.length - 4} more` : ''}.`
    return ids.map((subject) => ({ code: 'address-conflict', subject, detail }))
  })
}
