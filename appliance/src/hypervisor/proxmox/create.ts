import { markOf, vmIdOf, type VmKey } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import { metadataOf } from '../libvirt/metadata.ts'
import { domainNameOf } from '../names.ts'
import type { VerbOptions, VmSpec } from '../port.ts'
import { upid, vmConfig, type Upid } from './answers.ts'
import { configure } from './configure.ts'
import { setFirewall, firewallFor } from './firewall.ts'
import { boot, diskSize, drive, net, vmName } from './formats.ts'
import type { Ids } from './ids.ts'
import type { Inventory, OurVm } from './inventory.ts'
import type { Media } from './media.ts'
import { descriptionOf, ourTag, type Described } from './metadata.ts'
import type { ProxmoxOptions } from './options.ts'
import { countBuyer, placesFor, type Place } from './placement.ts'
import { isIdTaken, PveError } from './pve-error.ts'
import { makeSeedIso, seedName, seedPrefix } from './seed-iso.ts'
import { watchOf, type PveServer } from './server.ts'
import { taskLimitsMs } from './tasks.ts'
import type { Templates } from './templates.ts'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'

/** What creating needs of the rest. */
export interface CreateParts {
  server: PveServer
  inventory: Inventory
  templates: Templates
  media: Media
  ids: Ids
  options: ProxmoxOptions
  remove(vm: OurVm): Promise<void>
}

/** A storage that cannot lay one disk over another, or a template whose disk lies elsewhere. */
const noLinkedClone = /Linked clone feature is not (supported|available)/i
const gib = 2 ** 30

/**
 * Makes a VM, or completes one that an earlier try left. Nothing is left of one that fails, as far as the server answers;
 * what is left is found by its intent and completed or taken away by the next call. `activating` is carried over by a reinstall.
 */
export async function createVm(parts: CreateParts, spec: VmSpec, verb: VerbOptions, activating = false): Promise<OurVm> {
  const { server, inventory } = parts
  const mark = markOf(spec.key)
  await server.finishFormer(mark, taskLimitsMs.clone, verb.signal)
  const present = (await inventory.find(spec.key)) ?? (await ofIntent(parts, spec.key))
  if (present?.whole === true) return present
  await server.journal.setTemplate(spec.template)
  verb.signal?.throwIfAborted()
  let made = present
  try {
    made ??= await clone(parts, spec, verb)
    await furnish(parts, made, spec, verb, activating)
  } catch (error) {
    await takeBack(parts, spec.key, made)
    throw error
  }
  await server.journal.setIntent(mark, undefined)
  parts.ids.release(made.vmid)
  const whole = await inventory.find(spec.key)
  if (whole?.whole === true) return whole
  throw new PveError({ kind: 'task-unknown', call: `create ${vmIdOf(spec.key)}`, reason: 'it is not there after its create' })
}

/** Tries the nodes in order: a full disk or a busy id on one is no reason to give up on a cluster. */
async function clone(parts: CreateParts, spec: VmSpec, verb: VerbOptions): Promise<OurVm> {
  const { server, inventory, templates } = parts
  const overview = await inventory.overview()
  const records = await inventory.list()
  const nodeOf = new Map([...server.journal.known].map(([mark, known]) => [mark, known.node]))
  const withNodes = records.map((record) => {
    const node = nodeOf.get(markOf(record.key))
    return node === undefined ? record : { ...record, node }
  })
  const sameBuyer = countBuyer(withNodes, spec.origin.buyer)
  const found = await templates.onNodes(overview)
  const template = found.find((t) => t.sha256 === spec.template)
  if (template !== undefined && template.virtualSizeBytes > spec.diskGiB * gib) {
    throw new AppError({
      code: 'capacity-exceeded',
      detail: `A disk of ${spec.diskGiB} GiB is smaller than the template.`,
      hint: 'Sell a plan with a larger disk.',
    })
  }
  const places = placesFor(spec, { overview, templates: found, sameBuyer })
  let last: unknown
  for (const place of places) {
    try {
      return await cloneAt(parts, place, spec, verb)
    } catch (error) {
      last = error
      const full = error instanceof PveError && /No space left|not enough|Disk quota/i.test(error.text)
      if (!full) throw error
    }
  }
  throw last
}

async function cloneAt(parts: CreateParts, place: Place, spec: VmSpec, verb: VerbOptions): Promise<OurVm> {
  const { server, ids } = parts
  const mark = markOf(spec.key)
  for (;;) {
    const promised = server.journal.intent(mark)
    const vmid = promised !== undefined && promised.node === place.node ? promised.vmid : await ids.take()
    await server.journal.setIntent(mark, {
      vmid,
      node: place.node,
      source: place.template.vmid,
      sourceNode: place.template.node,
    })
    try {
      return await cloneTo(parts, place, vmid, spec, verb)
    } catch (error) {
      // "already exists" is never success: it is ours only if it says so itself
      if (!isIdTaken(error)) throw error
      const ours = await ofIntent(parts, spec.key)
      if (ours !== undefined) return ours
      // an id that an earlier life was promised: somebody was faster then, or a clone of ours died half-way
      if (promised?.vmid === vmid) await server.journal.setLeftOver(vmid, { node: place.node, about: mark })
      await server.journal.setIntent(mark, undefined)
      ids.release(vmid)
    }
  }
}

async function cloneTo(parts: CreateParts, place: Place, vmid: number, spec: VmSpec, verb: VerbOptions): Promise<OurVm> {
  const { server, options, inventory } = parts
  // nothing of anybody's is on it yet: `activating` is said with `whole`, never before
  const described: Described = { metadata: metadataOf(spec), vmid, whole: false }
  const common = {
    newid: vmid,
    name: vmName.parse(domainNameOf(spec.key)),
    description: descriptionOf(described),
    pool: options.pool,
    ...(place.template.node !== place.node && { target: place.node }),
  }
  let full = false
  await server.reach({
    about: markOf(spec.key),
    node: place.node,
    vmid: undefined,
    done: async () => (await ofIntent(parts, spec.key)) !== undefined,
    act: async () => {
      const path = `/nodes/${place.template.node}/qemu/${place.template.vmid}/clone`
      const begin = (more: object): Promise<Upid> =>
        server.client.post(path, upid, { ...common, ...more }, { signal: verb.signal })
      const whole = { full: 1, storage: options.diskStorage }
      if (full) return await begin(whole)
      try {
        return await begin({ full: 0 })
      } catch (error) {
        if (!(error instanceof PveError) || !noLinkedClone.test(error.text)) throw error
        full = true
        return await begin(whole)
      }
    },
    watch: watchOf(taskLimitsMs.clone, 'disk', verb),
    allocates: place.storage,
  })
  inventory.forget(vmid)
  const made = await ofIntent(parts, spec.key)
  if (made !== undefined) return made
  throw new PveError({ kind: 'task-unknown', call: `clone ${vmid}`, reason: 'the clone is not there' })
}

/** The VM that an intent speaks of, once its clone has ended; undefined if the id is free, or somebody else's. */
export async function ofIntent(parts: Pick<CreateParts, 'server' | 'inventory'>, key: VmKey): Promise<OurVm | undefined> {
  const { server, inventory } = parts
  const intent = server.journal.intent(markOf(key))
  if (intent === undefined) return undefined
  // a clone to another node is a task of the node that has the template, and moves to its own only at its end
  const { node, vmid, source, sourceNode = node } = intent
  const running = await server.tasks.runningClone(sourceNode, source, vmid)
  if (running !== undefined) await server.tasks.wait(running, { limitMs: taskLimitsMs.clone }).catch(ignoreFailure)
  if (!(await inventory.idTaken(vmid))) return undefined
  const found = await inventory.readAt(node, vmid, key)
  return found ?? (sourceNode === node ? undefined : await inventory.readAt(sourceNode, vmid, key))
}

/** How the clone ended is seen in the world. */
function ignoreFailure(error: unknown): void {
  if (!(error instanceof PveError) || error.kind !== 'task-failed') throw error
}

/** Processors, memory, card, disk size, firewall, seed; at last the word that it is whole. Each may be done again. */
async function furnish(parts: CreateParts, vm: OurVm, spec: VmSpec, verb: VerbOptions, activating: boolean): Promise<void> {
  const { server, options, inventory } = parts
  const { node, vmid } = vm
  const path = `/nodes/${node}/qemu/${vmid}`
  verb.progress?.('seed', 0.6)
  const volid = await putSeed(parts, node, spec, verb)
  await server.reach({
    about: markOf(spec.key),
    node,
    vmid,
    done: async () => sizeOf((await server.client.get(`${path}/config`, vmConfig)).virtio0) >= spec.diskGiB * gib,
    act: async () =>
      (await server.client.put(`${path}/resize`, upid.nullable(), {
        disk: 'virtio0',
        size: diskSize.parse(`${spec.diskGiB}G`),
      })) ?? undefined,
    watch: watchOf(taskLimitsMs.resize, 'disk', verb),
    allocates: await inventory.disksOf(node),
  })
  verb.progress?.('firewall', 0.8)
  await setFirewall(server, vm, firewallFor(spec, options))
  verb.signal?.throwIfAborted()
  const metadata = { ...vm.metadata, facts: { ...vm.metadata.facts, activating } }
  await configure(
    server,
    inventory,
    vm,
    {
      cores: spec.vcpus,
      memory: spec.memoryMiB,
      net0: net.parse(`virtio=${spec.mac.toUpperCase()},bridge=${options.bridge},firewall=1`),
      ide2: drive.parse(`${volid},media=cdrom`),
      boot: boot.parse('order=virtio0'),
      tags: ourTag,
      onboot: 0,
      description: descriptionOf({ metadata, vmid, whole: true }),
    },
    verb.signal,
  )
  inventory.forget(vmid)
}

async function putSeed({ media }: CreateParts, node: string, spec: VmSpec, verb: VerbOptions): Promise<string> {
  const iso = await makeSeedIso(spec.seed, verb.signal)
  const file = {
    name: seedName(spec.key, spec.seed),
    sizeBytes: iso.length,
    sha256: createHash('sha256').update(iso).digest('hex'),
    open: () => Readable.from([iso]),
  }
  return await media.put(node, 'iso', file, verb)
}

/** `…,size=8G` in bytes; 0 where nothing is said. */
export function sizeOf(driveText: string | undefined): number {
  const [, digits, unit] = /(?:^|,)size=(\d+)([KMGT]?)/.exec(driveText ?? '') ?? []
  return digits === undefined
    ? 0
    : Number(digits) * { '': 1, K: 2 ** 10, M: 2 ** 20, G: gib, T: 2 ** 40 }[unit as '' | 'K' | 'M' | 'G' | 'T']
}

/** Takes back a create that failed, if the server lets us see that it is safe; else the intent stays and the next call goes on. */
async function takeBack(parts: CreateParts, key: VmKey, made: OurVm | undefined): Promise<void> {
  const { server, ids, media, inventory } = parts
  const mark = markOf(key)
  const intent = server.journal.intent(mark)
  try {
    const vm = made ?? (await ofIntent(parts, key))
    if (vm !== undefined && vm.metadata.facts.activating && vm.whole) return
    if (vm !== undefined) await parts.remove(vm)
    else if (intent !== undefined && (await inventory.idTaken(intent.vmid))) {
      // taken, and not readable as ours: somebody else's, or a clone that died; both are left alone and told of
      await server.journal.setLeftOver(intent.vmid, { node: intent.node, about: mark })
      await server.journal.setIntent(mark, undefined)
      return
    }
    if (intent !== undefined) await media.removeAll(intent.node, 'iso', `${seedPrefix(key)}${key.generation}-`)
    await server.journal.setIntent(mark, undefined)
    if (intent !== undefined) ids.release(intent.vmid)
  } catch (error) {
    if (!(error instanceof PveError) && !(error instanceof AppError)) throw error
  }
}
