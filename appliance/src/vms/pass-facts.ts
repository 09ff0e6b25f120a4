import { vmIdOf, type VmId } from '../chain/installation.ts'
import type { StoredVm } from '../store/vms.ts'
import type { ActualVm, VmNotes } from '../subscriptions/decide.ts'
import type { GivingView } from '../subscriptions/views.ts'
import { isSamePurchase } from './guards.ts'
import type { VmBooks } from './vm-books.ts'
import type { ObservedContract, World } from './world.ts'

/** Every token that chain, books or hypervisor know of. */
export function* tokenIds({ snapshot, contract }: ObservedContract, world: World, books: VmBooks): Generator<bigint> {
  const vmPlans = new Set(snapshot.plans.filter((p) => p.kind === 'vm').map((p) => p.planId))
  for (const s of snapshot.subscriptions.values()) if (vmPlans.has(s.planId) || s.state === 'pending') yield s.tokenId
  const { installation } = contract.reader
  const more = new Set<bigint>()
  const add = (key: { installation: string; tokenId: bigint }): void => {
    if (key.installation === installation && !snapshot.subscriptions.has(key.tokenId)) more.add(key.tokenId)
  }
  for (const row of books.values()) add(row)
  for (const { key } of world.records?.values() ?? []) add(key)
  yield* more
}

/** The VM as the rule looks at it. */
export function actualVm(world: World, id: VmId): ActualVm {
  if (world.records === undefined) return { kind: 'unknown' }
  const record = world.records.get(id)
  if (record === undefined) return { kind: 'absent' }
  const { state, autostart, spec, facts } = record
  return { kind: 'present', power: state, autostart, origin: spec.origin, activating: facts.activating }
}

/** What our books say of the VM, as the rule looks at it. */
export function notesOf(row: StoredVm, books: VmBooks): VmNotes {
  const { origin, activateIntentAt, graceOverSeenSince, destroyedAt } = row
  const id = vmIdOf(row)
  const graceOverFor = books.graceOverFor(id)
  return { origin, activateIntentAt, graceOverSeenSince, destroyedAt, graceOverFor, keptStopped: books.isKeptStopped(id) }
}

/** The activation has been seen at the giving depth for the first time: the create is over, also if its end was lost. */
export function needsSettling(giving: GivingView, row: StoredVm | undefined, world: World): boolean {
  if (row === undefined || row.activatedSeenAt !== null || giving.subscription?.state !== 'active') return false
  const record = world.records?.get(vmIdOf(row))
  return record !== undefined && isSamePurchase(record.spec.origin, giving.subscription)
}
