import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../errors/app-error.ts'
import { readQcow2Header } from '../libvirt/qcow2-header.ts'
import type { TemplateRecord, VerbOptions } from '../port.ts'
import { storageStatus, upid, vmConfig, volumes } from './answers.ts'
import { boot, drive, vmName } from './formats.ts'
import type { Ids } from './ids.ts'
import type { Inventory, Overview } from './inventory.ts'
import type { Media } from './media.ts'
import {
  hasOurTag,
  ourTag,
  parseTemplateDescription,
  templateDescription,
  templateNameOf,
  type DescribedTemplate,
} from './metadata.ts'
import type { ProxmoxOptions } from './options.ts'
import { disksOf } from './placement.ts'
import { isIdTaken, mayHaveHappened } from './pve-error.ts'
import { watchOf, type PveServer } from './server.ts'
import { taskLimitsMs } from './tasks.ts'

/** A template on one node. */
export interface NodeTemplate extends DescribedTemplate {
  vmid: number
  node: string
}

/** Templates: VMs of ours that Proxmox marked as such; one per node, or one where the storage is shared. */
export class Templates {
  readonly #server: PveServer
  readonly #inventory: Inventory
  readonly #media: Media
  readonly #ids: Ids
  readonly #options: ProxmoxOptions
  /** Templates never change, so their description is read once. */
  readonly #known = new Map<string, NodeTemplate>()

  constructor(server: PveServer, inventory: Inventory, media: Media, ids: Ids, options: ProxmoxOptions) {
    this.#server = server
    this.#inventory = inventory
    this.#media = media
    this.#ids = ids
    this.#options = options
  }

  /** Finished templates of nodes that are up. */
  async onNodes(overview?: Overview): Promise<NodeTemplate[]> {
    const overviewNow = overview ?? (await this.#inventory.overview())
    const found: NodeTemplate[] = []
    for (const vm of overviewNow.vms) {
      // of a new one the overview does not say yet that it is a template: its configuration does
      const mayBe = vm.template === true || vm.template === undefined
      const up = overviewNow.nodes.some((node) => node.node === vm.node && node.status === 'online')
      if (!mayBe || !up || !this.#inventory.isInRange(vm.vmid)) continue
      const { vmid = 0, node = '' } = vm
      const known = this.#known.get(`${node}/${vmid}`)
      if (known !== undefined && (vm.name ?? templateNameOf(known.sha256)) === templateNameOf(known.sha256)) {
        found.push(known)
        continue
      }
      const config = await this.#server.client.get(`/nodes/${node}/qemu/${vmid}/config`, vmConfig)
      const described = hasOurTag(config.tags) ? parseTemplateDescription(config.description) : undefined
      if (described === undefined || config.template !== true || config.name !== templateNameOf(described.sha256)) continue
      const template = { ...described, vmid, node }
      this.#known.set(`${node}/${vmid}`, template)
      found.push(template)
    }
    return found
  }

  async list(): Promise<TemplateRecord[]> {
    const overview = await this.#inventory.overview()
    const all = await this.onNodes(overview)
    const used = await this.#uses(all)
    const bySha = new Map<string, TemplateRecord>()
    for (const [i, template] of all.entries()) {
      const { sha256, sizeBytes, virtualSizeBytes } = template
      const before = bySha.get(sha256)?.usedBy ?? 0
      bySha.set(sha256, { sha256, sizeBytes, virtualSizeBytes, usedBy: before + (used[i] ?? 0) })
    }
    return [...bySha.values()].map((record) => {
      const missingOn = lackedBy(overview, all, record.sha256)
      return missingOn.length === 0 ? record : { ...record, missingOn }
    })
  }

  /** Nodes that are up and lack a template, by template; no storage is asked. */
  async missing(overview: Overview): Promise<{ sha256: string; missingOn: string[] }[]> {
    const all = await this.onNodes(overview)
    return [...new Set(all.map((t) => t.sha256))].map((sha256) => ({ sha256, missingOn: lackedBy(overview, all, sha256) }))
  }

  /** How many disks are laid over each, asked of the storages: a linked clone names its base in its own name or as its parent. */
  async #uses(all: readonly NodeTemplate[]): Promise<number[]> {
    const lists = new Map<string, Promise<string[]>>()
    const disksOn = (node: string) => {
      const path = `/nodes/${node}/storage/${this.#options.diskStorage}/content`
      const list =
        lists.get(node) ??
        this.#server.client
          .get(path, volumes, { content: 'images' })
          .then((found) =>
            found.filter((v) => !/[:/]base-\d+-disk-\d+(\.\w+)?$/.test(v.volid)).map((v) => `${v.volid} ${v.parent ?? ''}`),
          )
      lists.set(node, list)
      return list
    }
    return await Promise.all(
      all.map(async ({ node, vmid }) => (await disksOn(node)).filter((text) => text.includes(`base-${vmid}-disk-`)).length),
    )
  }

  /** Brings the image to every node that is up and lacks it. Throws `template-damaged`, `template-missing`, `storage-full`. */
  async import(image: { path: string; sha256: string }, verb: VerbOptions): Promise<TemplateRecord> {
    const described = await inspect(image, verb)
    const overview = await this.#inventory.overview()
    const present = await this.onNodes(overview)
    const shared = overview.storages.some((storage) => storage.shared === true)
    const up = overview.nodes.filter((node) => node.status === 'online').map((node) => node.node ?? '')
    for (const node of shared ? up.slice(0, 1) : up) {
      const has = present.some((t) => t.sha256 === image.sha256 && (shared || t.node === node))
      if (!has) await this.#make(node, disksOf(node, shared), image.path, described, verb)
      // also the upload of an import that died when the template was whole
      await this.#media.removeAll(node, 'import', uploadNameOf(image.sha256))
    }
    const record = (await this.list()).find((t) => t.sha256 === image.sha256)
    if (record !== undefined) {
      await this.#server.journal.setTemplate(image.sha256)
      return record
    }
    throw new AppError({ code: 'template-missing', detail: 'The template is not there after its import.' })
  }

  /** Makes it, or completes what an import that was killed left. */
  async #make(node: string, disks: string, path: string, described: DescribedTemplate, verb: VerbOptions): Promise<void> {
    const left = await this.#halfMade(node, described.sha256)
    if (left !== undefined) return await this.#convert(node, left, described.sha256, verb)
    const { sha256, sizeBytes } = described
    const name = uploadNameOf(sha256)
    const open = () => createReadStream(path)
    const volid = await this.#media.put(node, 'import', { name, sizeBytes, sha256, open }, verb)
    const { type } = await this.#server.client.get(`/nodes/${node}/storage/${this.#options.diskStorage}/status`, storageStatus)
    const format = /^(dir|nfs|cifs|btrfs|cephfs)$/.test(type) ? ',format=qcow2' : ''
    for (;;) {
      const vmid = await this.#ids.take()
      try {
        verb.progress?.('template', 0.7)
        await this.#server.allocations.run(disks, async () => {
          const task = await this.#server.client.post(
            `/nodes/${node}/qemu`,
            upid,
            {
              vmid,
              name: vmName.parse(templateNameOf(sha256)),
              pool: this.#options.pool,
              tags: ourTag,
              description: templateDescription(described),
              memory: 512,
              cores: 1,
              ostype: 'l26',
              agent: '1',
              // AHCI and virtio-blk: what the template's first stage loads before it looks for a root disk
              machine: 'q35',
              serial0: 'socket',
              vga: 'serial0',
              boot: boot.parse('order=virtio0'),
              virtio0: `${drive.parse(`${this.#options.diskStorage}:0${format}`)},import-from=${volid}`,
            },
            { signal: verb.signal },
          )
          await this.#server.follow(task, sha256, watchOf(taskLimitsMs.create, 'template', verb))
        })
        return await this.#convert(node, vmid, sha256, verb)
      } catch (error) {
        // not known: what came of it is found and completed or taken away by the next import
        if (mayHaveHappened(error) || !isIdTaken(error)) throw error
      } finally {
        this.#ids.release(vmid)
      }
    }
  }

  async #convert(node: string, vmid: number, sha256: string, verb: VerbOptions): Promise<void> {
    await this.#server.reach({
      about: sha256,
      node,
      vmid,
      done: async () => (await this.#server.client.get(`/nodes/${node}/qemu/${vmid}/config`, vmConfig)).template === true,
      act: async () => (await this.#server.client.post(`/nodes/${node}/qemu/${vmid}/template`, upid.nullable())) ?? undefined,
      watch: watchOf(taskLimitsMs.template, 'template', verb),
    })
  }

  /**
   * A VM that bears the name of the template and never became one: left by an import that was killed. Once its create has ended
   * a VM with a disk is whole; one without is taken away.
   */
  async #halfMade(node: string, sha256: string): Promise<number | undefined> {
    await this.#server.finishFormer(sha256, taskLimitsMs.create)
    const { vms } = await this.#inventory.overview()
    let whole: number | undefined
    for (const { template, node: at, name, vmid = 0 } of vms) {
      // the statistics know a new one by nothing but its id
      const named = name === undefined || name === templateNameOf(sha256)
      if (template === true || at !== node || !named || !this.#inventory.isInRange(vmid)) continue
      const config = await this.#server.client.get(`/nodes/${node}/qemu/${vmid}/config`, vmConfig)
      if (config.template === true || !hasOurTag(config.tags) || parseTemplateDescription(config.description)?.sha256 !== sha256)
        continue
      const usable = whole === undefined && config.virtio0 !== undefined && config.lock === undefined
      if (usable) whole = vmid
      else await this.#remove({ node, vmid }, sha256)
    }
    return whole
  }

  /** Throws `not-in-this-state` while a disk refers to it. No-op if it is not there. */
  async remove(sha256: string): Promise<void> {
    const all = (await this.onNodes()).filter((t) => t.sha256 === sha256)
    const uses = (await this.#uses(all)).reduce((sum, n) => sum + n, 0)
    if (uses > 0) {
      const hint = 'It goes with the last of them.'
      throw new AppError({ code: 'not-in-this-state', detail: `${uses} disks refer to this template.`, hint })
    }
    for (const template of all) {
      await this.#remove(template, sha256)
      this.#known.delete(`${template.node}/${template.vmid}`)
    }
  }

  async #remove({ node, vmid }: { node: string; vmid: number }, about: string): Promise<void> {
    await this.#server.reach({
      about,
      node,
      vmid,
      done: async () => !(await this.#inventory.idTaken(vmid)),
      act: () => this.#server.client.delete(`/nodes/${node}/qemu/${vmid}`, upid, { purge: 1, 'destroy-unreferenced-disks': 1 }),
      watch: { limitMs: taskLimitsMs.destroy },
    })
  }
}

function lackedBy(overview: Overview, all: readonly NodeTemplate[], sha256: string): string[] {
  if (overview.storages.some((storage) => storage.shared === true)) return []
  const up = overview.nodes.filter((node) => node.status === 'online').map((node) => node.node ?? '')
  return up.filter((node) => !all.some((t) => t.sha256 === sha256 && t.node === node))
}

/** The image on its way, by its content. */
function uploadNameOf(sha256: string): string {
  return `freehold-${sha256.slice(0, 24)}.qcow2`
}

/** Size and hash of an image, which must be a whole qcow2 by itself. */
async function inspect(image: { path: string; sha256: string }, verb: VerbOptions): Promise<DescribedTemplate> {
  const { size } = await stat(image.path).catch((cause: unknown) => {
    throw new AppError({ code: 'template-missing', detail: 'The image to import is not there.', cause })
  })
  const hash = createHash('sha256')
  verb.progress?.('checking')
  await pipeline(createReadStream(image.path), hash, { ...(verb.signal && { signal: verb.signal }) })
  if (hash.digest('hex') !== image.sha256) {
    throw new AppError({ code: 'template-damaged', detail: `The content of the image is not ${image.sha256.slice(0, 12)}….` })
  }
  const { backingFile, externalData, virtualSizeBytes } = await readQcow2Header(image.path)
  if (backingFile !== undefined || externalData) {
    throw new AppError({ code: 'template-damaged', detail: 'The image needs other files; a template is whole by itself.' })
  }
  return { sha256: image.sha256, sizeBytes: size, virtualSizeBytes }
}
