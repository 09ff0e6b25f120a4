import type { HypervisorProblem } from '../port.ts'
import { parseMark } from '../../chain/installation.ts'
import type { Inventory, Overview } from './inventory.ts'
import type { ProxmoxOptions } from './options.ts'
import type { PveServer } from './server.ts'
import type { Templates } from './templates.ts'

/** A lock that no task holds is looked at for so long before a person is asked. Source: fact sheet, locks. */
const stuckAfterMs = 15 * 60_000

/** What a person must look at in Proxmox: the token can neither unlock nor take away what is not in its pool. */
export async function findProblems(
  server: PveServer,
  inventory: Inventory,
  templates: Templates,
  options: Pick<ProxmoxOptions, 'nodeNames'>,
): Promise<HypervisorProblem[]> {
  const overview = await inventory.overview()
  return [
    ...changesOf(overview, options.nodeNames),
    ...(await stuckLocks(server, inventory, overview)),
    ...(await leftOvers(server, inventory)),
    ...withoutTemplate(await templates.missing(overview), server.journal.template),
  ]
}

/** Nodes that lack the template which VMs are made from now: the one used last, or the only one there is. Pure. */
export function withoutTemplate(
  all: readonly { sha256: string; missingOn: readonly string[] }[],
  current: string | undefined,
): HypervisorProblem[] {
  const wanted = all.find((one) => one.sha256 === current) ?? (all.length === 1 ? all[0] : undefined)
  return (wanted?.missingOn ?? []).map((node) => ({
    code: 'template-not-on-node',
    subject: node,
    detail: `${node} has no template ${wanted?.sha256.slice(0, 12)}: it was down at the import, or came later.`,
  }))
}

/** Nodes that came or went since the configuration was written. Pure. */
export function changesOf({ nodes }: Pick<Overview, 'nodes'>, named: readonly string[] | undefined): HypervisorProblem[] {
  if (named === undefined) return []
  const present = nodes.map((node) => node.node ?? '')
  const came = present.filter((node) => !named.includes(node))
  const went = named.filter((node) => !present.includes(node))
  return [
    ...came.map((node) => changed(node, `The cluster has a node ${node} that the configuration does not name.`)),
    ...went.map((node) => changed(node, `The cluster has no node ${node} any more.`)),
  ]
}

function changed(node: string, detail: string): HypervisorProblem {
  return { code: 'cluster-changed', subject: node, detail }
}

async function stuckLocks(server: PveServer, inventory: Inventory, { nodes }: Overview): Promise<HypervisorProblem[]> {
  const found: HypervisorProblem[] = []
  for (const [vmid, { lock, node, sinceMs }] of inventory.locks) {
    const heldMs = server.clock.monotonicMs() - sinceMs
    const up = nodes.some((one) => one.node === node && one.status === 'online')
    if (heldMs < stuckAfterMs || !up || (await server.tasks.running(node, vmid)).length > 0) continue
    found.push({
      code: 'vm-lock-stuck',
      subject: `VM ${vmid}`,
      detail: `VM ${vmid} on ${node} is locked (${lock}) for ${Math.floor(heldMs / 60_000)} minutes, and no task runs. As root there: qm unlock ${vmid}`,
    })
  }
  return found
}

/** Ids that a create of ours was promised and that do not read as ours. What has gone, or reads as ours by now, is forgotten. */
async function leftOvers(server: PveServer, inventory: Inventory): Promise<HypervisorProblem[]> {
  const found: HypervisorProblem[] = []
  for (const [vmid, { node, about }] of server.journal.leftOvers) {
    const key = parseMark(about)
    const gone = !(await inventory.idTaken(vmid))
    if (gone || key === undefined || (await inventory.readAt(node, vmid, key)) !== undefined) {
      await server.journal.setLeftOver(vmid, undefined)
      continue
    }
    found.push({
      code: 'clone-left-over',
      subject: `VM ${vmid}`,
      detail: `VM ${vmid} on ${node} was begun as ${about} and does not read as ours. If qm config ${vmid} shows lock: clone there, then as root: qm unlock ${vmid} && qm destroy ${vmid}. Else it is somebody else's.`,
    })
  }
  return found
}
