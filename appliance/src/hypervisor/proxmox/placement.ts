import { AppError } from '../../errors/app-error.ts'
import type { VmRecord, VmSpec } from '../port.ts'
import type { Overview } from './inventory.ts'
import type { NodeTemplate } from './templates.ts'

/** Memory that VMs never get: the node's own. */
const reserveMiB = 1024
/** Below this share of free space nothing is made (design §6). */
const leastFree = 0.1
const mib = 2 ** 20

/** A node that could take a VM, and from which template. */
export interface Place {
  node: string
  template: NodeTemplate
  /** Where the disk will lie; one name for all nodes where the storage is shared. */
  storage: string
}

/** The name under which allocations of disks wait for each other. */
export function disksOf(node: string, shared: boolean): string {
  return shared ? 'shared disks' : `disks of ${node}`
}

/** What placement looks at. */
export interface PlacementFacts {
  overview: Overview
  templates: readonly NodeTemplate[]
  /** VMs of the same buyer per node: they are spread where that costs nothing. */
  sameBuyer: ReadonlyMap<string, number>
}

/**
 * Nodes that can take the VM, best first: fewest VMs of the same buyer, then most memory that nobody was promised. Pure.
 * Throws `privilege-missing` where the memory of a node is not shown, `template-missing`, `storage-full`, `capacity-exceeded`, each saying what every node lacks; `hypervisor-down` if none is up.
 */
export function placesFor(spec: Pick<VmSpec, 'template' | 'memoryMiB' | 'vcpus' | 'diskGiB'>, facts: PlacementFacts): Place[] {
  const { overview, templates, sameBuyer } = facts
  const up = overview.nodes.filter((node) => node.status === 'online')
  if (up.length === 0) throw new AppError({ code: 'hypervisor-down', detail: 'No node of the cluster is up.' })
  const shared = overview.storages.some((storage) => storage.shared === true)
  const lacks: ('template' | 'disk' | 'memory' | 'cpu')[] = []
  const places: (Place & { free: number; neighbours: number })[] = []
  for (const { node = '', maxcpu = 0, ...rest } of up) {
    const template = templates.find((t) => t.sha256 === spec.template && (shared || t.node === node))
    const free = unpromisedMemoryMiB(overview, node, rest.maxmem ?? 0)
    if (template === undefined) lacks.push('template')
    else if (!hasRoom(overview, node)) lacks.push('disk')
    else if (free < spec.memoryMiB) lacks.push('memory')
    else if (maxcpu > 0 && maxcpu < spec.vcpus) lacks.push('cpu')
    else
      places.push({
        node,
        template,
        storage: disksOf(node, shared),
        free,
        neighbours: sameBuyer.get(node) ?? 0,
      })
  }
  if (places.length > 0)
    return places.toSorted((a, b) => a.neighbours - b.neighbours || b.free - a.free || a.node.localeCompare(b.node))
  if (lacks.every((lack) => lack === 'template')) {
    throw new AppError({ code: 'template-missing', detail: `Template ${spec.template.slice(0, 12)} is on no node that is up.` })
  }
  const unseen = up.find((node) => node.maxmem === undefined)?.node
  if (unseen !== undefined) {
    throw new AppError({
      code: 'privilege-missing',
      detail: `To see the free memory of ${unseen}, the token lacks Sys.Audit on /nodes/${unseen}.`,
    })
  }
  if (lacks.includes('disk') && !lacks.includes('memory')) {
    throw new AppError({
      code: 'storage-full',
      detail: 'Less than 10 % of the storage is free on every node that has the template.',
    })
  }
  const what = lacks.includes('memory') ? `${spec.memoryMiB} MiB of memory` : `${spec.vcpus} CPUs`
  throw new AppError({ code: 'capacity-exceeded', detail: `No node that has the template can give ${what}.` })
}

/** Memory of a node that no VM, running or not, was promised. */
export function unpromisedMemoryMiB(overview: Overview, node: string, maxmem: number): number {
  const promised = overview.vms
    .filter((vm) => vm.node === node && vm.template !== true)
    .reduce((sum, vm) => sum + (vm.maxmem ?? 0), 0)
  return Math.max(0, Math.floor((maxmem - promised) / mib) - reserveMiB)
}

function hasRoom(overview: Overview, node: string): boolean {
  const storage = overview.storages.find((s) => s.node === node)
  const { disk = 0, maxdisk = 0 } = storage ?? {}
  return maxdisk > 0 && (maxdisk - disk) / maxdisk >= leastFree
}

/** VMs of a buyer by node, from what is known of ours. Pure. */
export function countBuyer(records: readonly (VmRecord & { node?: string })[], buyer: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { node, spec } of records) {
    if (node !== undefined && spec.origin.buyer.toLowerCase() === buyer.toLowerCase())
      counts.set(node, (counts.get(node) ?? 0) + 1)
  }
  return counts
}
