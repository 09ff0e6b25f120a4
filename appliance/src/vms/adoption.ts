import type { UnixSeconds } from '../clock/clock.ts'
import { adopt, type AdoptionPorts } from './rebuild.ts'
import type { World } from './world.ts'

/** Enters all VMs of served contracts that the books do not know, or know in an older generation, with their addresses. */
export async function adoptFound(world: World, ports: AdoptionPorts, now: UnixSeconds): Promise<void> {
  const snapshots = new Map(world.contracts.map(({ snapshot }) => [snapshot.installation, snapshot]))
  for (const [id, record] of world.records ?? []) {
    const snapshot = snapshots.get(record.key.installation)
    const row = ports.books.get(id)
    if (snapshot === undefined || (row !== undefined && row.generation >= record.key.generation)) continue
    await adopt(record, snapshot.subscriptions.get(record.key.tokenId), ports, now)
  }
}
