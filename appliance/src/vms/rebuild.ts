import type { VmId } from '../chain/installation.ts'
import type { ChainSnapshot } from '../chain/port.ts'
import type { Subscription } from '../chain/subscription.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import type { Hypervisor, VmRecord } from '../hypervisor/port.ts'
import type { AddressTable } from '../network/address-table.ts'
import type { StoredVm } from '../store/vms.ts'
import { addressConflicts, inUse } from './address-conflicts.ts'
import type { VmBooks } from './vm-books.ts'
import { byGeneration } from './world.ts'

/** What a rebuild found. Each list holds VM ids. */
export interface RebuildReport {
  restored: VmId[]
  unchanged: VmId[]
  /** An address of theirs is entered for another VM: the VM stays, a person must look. */
  conflicts: VmId[]
}

/** The row of a VM as chain and hypervisor tell it. Secrets follow from the mark, so nothing else is needed. */
export function rowFromRecord(record: VmRecord, subscription: Subscription | undefined, now: UnixSeconds): StoredVm {
  const { spec, facts, key } = record
  const reportedAt = facts.hostKey === null ? null : now
  return {
    installation: key.installation,
    tokenId: key.tokenId,
    generation: key.generation,
    planId: subscription?.planId ?? 0,
    vcpus: spec.vcpus,
    memoryMiB: spec.memoryMiB,
    diskGiB: spec.diskGiB,
    addresses: spec.addresses,
    mac: spec.mac,
    template: spec.template,
    origin: spec.origin,
    hostKey: facts.hostKey,
    // a guest that reported has its secret; its token is spent
    secretUsedAt: reportedAt,
    reportedAt,
    activateIntentAt: facts.activating ? now : null,
    activatedSeenAt: subscription?.state === 'active' ? now : null,
    // our own clock of 24 hours begins anew: a lost database never shortens it
    graceOverSeenSince: null,
    destroyedAt: null,
    createdAt: now,
  }
}

/** What adopting a VM needs. */
export interface AdoptionPorts {
  books: VmBooks
  addresses: Pick<AddressTable, 'claim'>
}

/** Enters one VM that the books do not know, or know in an older generation. False if one of its addresses is another's. */
export async function adopt(
  record: VmRecord,
  subscription: Subscription | undefined,
  ports: AdoptionPorts,
  now: UnixSeconds,
): Promise<boolean> {
  const free = await ports.addresses.claim(record.key, record.spec.addresses)
  await ports.books.put(rowFromRecord(record, subscription, now))
  return free
}

/**
 * `freehold rebuild`: the rows of all VMs from chain, hypervisor metadata and secrets. May be called at any time and again;
 * rows that are there are left alone. Rejects if the hypervisor does not answer: a fault is never read as absence.
 */
export async function rebuild(
  ports: AdoptionPorts & { hypervisor: Pick<Hypervisor, 'list'> },
  snapshots: readonly ChainSnapshot[],
  now: UnixSeconds,
): Promise<RebuildReport> {
  const report: RebuildReport = { restored: [], unchanged: [], conflicts: [] }
  const byInstallation = new Map(snapshots.map((s) => [s.installation, s]))
  const there = byGeneration(await ports.hypervisor.list()).newest
  for (const [id, record] of there) {
    const row = ports.books.get(id)
    if (row !== undefined && row.generation >= record.key.generation) {
      report.unchanged.push(id)
      continue
    }
    const subscription = byInstallation.get(record.key.installation)?.subscriptions.get(record.key.tokenId)
    await adopt(record, subscription, ports, now)
    report.restored.push(id)
  }
  // asked of the books, so that a second run names them too
  const clashing = new Set(
    addressConflicts(inUse(ports.books.values(), (id) => there.has(id), snapshots)).map(({ subject }) => subject),
  )
  const clashes = (id: VmId): boolean => clashing.has(id)
  report.conflicts = [...report.restored, ...report.unchanged].filter(clashes)
  report.restored = report.restored.filter((id) => !clashes(id))
  report.unchanged = report.unchanged.filter((id) => !clashes(id))
  return report
}
