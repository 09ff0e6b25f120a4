import { vmIdOf, type VmId } from '../chain/installation.ts'
import type { StoredVm } from '../store/vms.ts'
import type { StandingIssue } from './standing-issues.ts'

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
