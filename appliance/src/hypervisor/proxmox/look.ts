import { AppError } from '../../errors/app-error.ts'
import { networks, nodes, nothing, resources, vnets } from './answers.ts'
import type { PveClient } from './client.ts'
import { hasOurTag } from './metadata.ts'
import { PveError } from './pve-error.ts'

// Questions that change nothing and need no right beyond those of enrolment.

/** Ids that are asked for one by one, and how many at once. */
const mostIds = 1000
const askers = 16

/** Whether any VM has the id, also one that the token may not see. Source: `GET /cluster/nextid?vmid=`, open to all. */
export async function isIdTaken(client: PveClient, vmid: number, signal?: AbortSignal): Promise<boolean> {
  try {
    await client.get('/cluster/nextid', nothing, { vmid }, { signal })
    return false
  } catch (error) {
    if (error instanceof PveError && error.kind === 'refused' && /already exists/.test(error.text)) return true
    throw error
  }
}

/** Ids of the range that VMs of somebody else have. `looked`: how many were asked for, from its beginning. Throws PveError. */
export async function foreignIds(
  client: PveClient,
  { from, to }: { from: number; to: number },
  signal?: AbortSignal,
): Promise<{ looked: number; foreign: number[] }> {
  const seen = await client.get('/cluster/resources', resources, {}, { signal })
  const ours = new Set(seen.filter((one) => hasOurTag(one.tags)).map((one) => one.vmid))
  const last = Math.min(to, from + mostIds - 1)
  const foreign: number[] = []
  let next = from
  const ask = async (): Promise<void> => {
    for (let id = next++; id <= last; id = next++) {
      if (!ours.has(id) && (await isIdTaken(client, id, signal))) foreign.push(id)
    }
  }
  await Promise.all(Array.from({ length: askers }, ask))
  return { looked: Math.max(0, last - from + 1), foreign: foreign.toSorted((a, b) => a - b) }
}

/** A bridge of Linux or a vnet, as all nodes that are up have it. */
export interface BridgeSeen {
  /** Rights on it hang there. */
  zone: string
  /** How many nodes were asked. */
  nodes: number
}

/**
 * Looks for the bridge or vnet on all nodes. Throws `bridge-missing` naming the nodes that lack it: guests of all nodes sit on one
 * network. Source: schema, `GET /nodes/{node}/network?type=any_bridge` has both kinds.
 */
export async function requireBridge(client: PveClient, bridge: string): Promise<BridgeSeen> {
  const all = await client.get('/nodes', nodes)
  const vnet = (await client.get('/cluster/sdn/vnets', vnets)).find((one) => one.vnet === bridge)
  const up = all.filter(({ status }) => status === 'online')
  const lacking: string[] = []
  for (const { node } of up) {
    const found = await client.get(`/nodes/${node}/network`, networks, { type: 'any_bridge' })
    if (!found.some((one) => one.iface === bridge)) lacking.push(node)
  }
  if (lacking.length === 0) return { zone: vnet?.zone ?? 'localnetwork', nodes: up.length }
  if (vnet === undefined)
    throw new AppError({ code: 'bridge-missing', detail: `There is no bridge ${bridge} on ${lacking.join(', ')}.` })
  throw new AppError({
    code: 'bridge-missing',
    detail: `The vnet ${bridge} of the zone ${vnet.zone} is not on ${lacking.join(', ')}.`,
    hint: `Apply the network: pvesh set /cluster/sdn. If the zone names nodes, it must name all: pvesh get /cluster/sdn/zones/${vnet.zone}`,
  })
}
