import { AppError } from '../../errors/app-error.ts'
import type { VmRecord, VmSpec } from '../port.ts'
import type { Overview } from './inventory.ts'
import type { NodeTemplate } from './templates.ts'

/** Memory that VMs never get: the node's own. */
const reserveMiB = 1024
/** Below this share of free space nothing is made (design §6); the new disk counts at full size. */
const leastFree = 0.1
/** A node whose processors are used beyond this share takes a VM only where no other can. */
const busyFrom = 0.9
const gib = 2 ** 30
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
 * Nodes that can take the VM, best first: fewest VMs of the same buyer, then not busy, then most memory that nobody was promised,
 * then fewest virtual processors promised per processor, then most free disk. Pure.
 * Throws `privilege-missing` where the memory of a node is not shown, `template-missing`, `storage-full`, `capacity-exceeded`, each saying what every node lacks; `hypervisor-down` if none is up.
 */
export function placesFor(spec: Pick<VmSpec, 'template' | 'memoryMiB' | 'vcpus' | 'diskGiB'>, facts: PlacementFacts): Place[] {
  const { overview, templates, sameBuyer } = facts
  const up = overview.nodes.filter((node) => node.status === 'online')
  if (up.length === 0) throw new AppError({ code: 'hypervisor-down', detail: 'No node of the cluster is up.' })
  const shared = overview.storages.some((storage) => storage.shared === true)
  const lacks: ('template' | 'disk' | 'memory' | 'cpu')[] = []
  const places: Candidate[] = []
  for (const { node = '', maxcpu = 0, cpu = 0, ...rest } of up) {
    const template = templates.find((t) => t.sha256 === spec.template && (shared || t.node === node))
    const free = unpromisedMemoryMiB(overview, node, rest.maxmem ?? 0)
    if (template === undefined) lacks.push('template')
    else if (!hasRoom(overview, node, spec.diskGiB)) lacks.push('disk')
    else if (free < spec.memoryMiB) lacks.push('memory')
    else if (maxcpu > 0 && maxcpu < spec.vcpus) lacks.push('cpu')
    else
      places.push({
        node,
        template,
        storage: disksOf(node, shared),
        free,
        neighbours: sameBuyer.get(node) ?? 0,
        busy: cpu > busyFrom,
        promised: maxcpu > 0 ? promisedCpus(overview, node) / maxcpu : 0,
        freeDisk: freeDiskBytes(overview, node),
      })
  }
  if (places.length > 0) return places.toSorted(compare).map(({ node, template, storage }) => ({ node, template, storage }))
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
      detail: `With a disk of ${spec.diskGiB} GiB less than 10 % of the storage would be free on every node that has the template.`,
    })
  }
  const what = lacks.includes('memory') ? `${spec.memoryMiB} MiB of memory` : `${spec.vcpus} CPUs`
  throw new AppError({ code: 'capacity-exceeded', detail: `No node that has the template can give ${what}.` })
}

interface Candidate extends Place {
  free: number
  neighbours: number
  busy: boolean
  promised: number
  freeDisk: number
}

function compare(a: Candidate, b: Candidate): number {
  return (
    a.neighbours - b.neighbours ||
    Number(a.busy) - Number(b.busy) ||
    b.free - a.free ||
    a.promised - b.promised ||
    b.freeDisk - a.freeDisk ||
    a.node.localeCompare(b.node)
  )
}

function promisedCpus(overview: Overview, node: string): number {
  return overview.vms.filter((vm) => vm.node === node && vm.template !== true).reduce((sum, vm) => sum + (vm.maxcpu ?? 0), 0)
}

function freeDiskBytes(overview: Overview, node: string): number {
  const { disk = 0, maxdisk = 0 } = overview.storages.find((s) => s.node === node) ?? {}
  return maxdisk - disk
}

/** Memory of a node that no VM, running or not, was promised. */
export function unpromisedMemoryMiB(overview: Overview, node: string, maxmem: number): number {
  const promised = overview.vms
    .filter((vm) => vm.node === node && vm.template !== true)
    .reduce((sum, vm) => sum + (vm.maxmem ?? 0), 0)
  return Math.max(0, Math.floor((maxmem - promised) / mib) - reserveMiB)
}

function hasRoom(overview: Overview, node: string, diskGiB: number): boolean {
  const maxdisk = overview.storages.find((s) => s.node === node)?.maxdisk ?? 0
  return maxdisk > 0 && (freeDiskBytes(overview, node) - diskGiB * gib) / maxdisk >= leastFree
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
