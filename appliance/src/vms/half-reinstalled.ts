import type { VmId } from '../chain/installation.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import type { VmRecord } from '../hypervisor/port.ts'
import type { StoredVm } from '../store/vms.ts'
import type { GivingView } from '../subscriptions/views.ts'
import { isSamePurchase } from './guards.ts'
import type { VmBooks } from './vm-books.ts'

/**
 * A kill stopped a reinstall: the books have the next generation, the hypervisor the former one, or none at all. True if it is to
 * be taken up: only for whoever asked for it, while he holds the pass; else the books go back to the disk that stands.
 */
export async function isHalfReinstalled(
  found: { id: VmId; giving: GivingView; record: VmRecord | undefined; row: StoredVm | undefined },
  books: VmBooks,
  now: UnixSeconds,
  log?: (line: string) => void,
): Promise<boolean> {
  const { id, giving, record, row } = found
  if (row === undefined) return false
  const begun = books.reinstallOf(id)
  // its disk stands: what comes later is no longer the reinstall's. One that is not protected yet may be half-made
  const wanted = begun?.generation === row.generation && begun.holder === giving.subscription?.holder.toLowerCase()
  if (record !== undefined && record.key.generation >= row.generation && (record.facts.activating || !wanted)) {
    if (begun !== undefined) await books.noteReinstall(row, undefined)
    return false
  }
  if (giving.entitlement?.kind !== 'active' || giving.subscription === undefined) return false
  if (!isSamePurchase(row.origin, giving.subscription)) return false
  if (wanted) return true
  if (record !== undefined && begun !== undefined) {
    log?.(`the reinstall of ${id} is given up: its asker does not hold the pass any more`)
    const { generation } = record.key
    await books.put({ ...row, generation, hostKey: record.facts.hostKey, reportedAt: now, secretUsedAt: now })
    await books.noteReinstall(row, undefined)
  }
  return false
}
