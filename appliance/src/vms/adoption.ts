import { vmIdOf, type VmId } from '../chain/installation.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import type { StoredVm } from '../store/vms.ts'
import { adopt, type AdoptionPorts } from './rebuild.ts'
import type { StandingIssue } from './standing-issues.ts'
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

/** VMs that hold an address which another VM holds as well: found anew at every pass, for as long as it is so. */
export function addressConflicts(rows: Iterable<StoredVm>): Omit<StandingIssue, 'since'>[] {
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
