import { AppError } from '../../../errors/app-error.ts'
import { nodes, permissions } from '../answers.ts'
import type { PveClient } from '../client.ts'
import { grantsFor, type RightsScope } from './rights.ts'

/** A privilege that is missing, or that the token has beyond its need. */
export interface RightsDifference {
  path: string
  privilege: string
}

/** What `freehold proxmox verify` says. */
export interface RightsReport {
  missing: RightsDifference[]
  excess: RightsDifference[]
}

/** Asks the server what the token may, and holds it against what it needs. Changes nothing. Throws PveError. */
export async function verifyRights(client: PveClient, scope: RightsScope): Promise<RightsReport> {
  const grants = grantsFor(scope)
  const wanted = new Map<string, Set<string>>()
  for (const { paths, privileges } of grants) for (const path of paths) wanted.set(path, new Set(privileges))
  const missing: RightsDifference[] = []
  for (const [path, privileges] of wanted) {
    const has = (await client.get('/access/permissions', permissions, { path }))[path] ?? {}
    for (const privilege of privileges) if (has[privilege] !== true) missing.push({ path, privilege })
  }
  const all = await client.get('/access/permissions', permissions)
  const excess = Object.entries(all).flatMap(([path, has]) =>
    Object.keys(has)
      .filter((privilege) => !isNeeded(wanted, path, privilege))
      .map((privilege) => ({ path, privilege })),
  )
  return { missing, excess }
}

/** As `verifyRights`, for the nodes that the cluster has and the zone that the bridge is in. */
export async function verifyToken(
  client: PveClient,
  places: Omit<RightsScope, 'nodes' | 'zone'> & { zone?: string | undefined },
): Promise<RightsReport> {
  const found = await client.get('/nodes', nodes)
  const zone = places.zone ?? (await zoneInRights(client, places.bridge)) ?? 'localnetwork'
  return await verifyRights(client, { ...places, nodes: found.map((node) => node.node), zone })
}

/** Where enrolment was done elsewhere: the zone stands in the path of the token's own right to the bridge. */
async function zoneInRights(client: PveClient, bridge: string): Promise<string | undefined> {
  const paths = Object.keys(await client.get('/access/permissions', permissions))
  return paths.find((path) => path.startsWith('/sdn/zones/') && path.endsWith(`/${bridge}`))?.split('/')[3]
}

/** Throws `privilege-missing` that names the first one, if any is missing. */
export function requireRights({ missing }: RightsReport): void {
  const [first] = missing
  if (first === undefined) return
  throw new AppError({
    code: 'privilege-missing',
    detail: `The token lacks ${first.privilege} on ${first.path}${missing.length > 1 ? ` and ${missing.length - 1} more` : ''}.`,
  })
}

/** A VM of the pool shows what the pool gives. */
function isNeeded(wanted: ReadonlyMap<string, Set<string>>, path: string, privilege: string): boolean {
  if (wanted.get(path)?.has(privilege) === true) return true
  return path.startsWith('/vms/') && [...wanted].some(([at, privileges]) => at.startsWith('/pool/') && privileges.has(privilege))
}
