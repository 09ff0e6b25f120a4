import { readFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { z } from 'zod'

const schema = z.object({
  version: z.literal(1),
  intents: z.record(
    z.string(),
    z.object({ vmid: z.number(), node: z.string(), source: z.number(), sourceNode: z.string().optional() }),
  ),
  leftOvers: z.record(z.string(), z.object({ node: z.string(), about: z.string() })).default({}),
  tasks: z.record(z.string(), z.object({ about: z.string() })),
  pending: z.record(z.string(), z.string()).default({}),
  /** SHA-256 of the template that VMs were made from last, or that was imported since. */
  template: z.string().optional(),
  known: z.record(z.string(), z.object({ vmid: z.number(), node: z.string(), description: z.string() })),
})
type Kept = z.output<typeof schema>

/** A create that was begun: which id on which node is to become the VM of a mark, cloned from what; the task runs where the template lies. */
export type Intent = Kept['intents'][string]

/**
 * What this host has begun and knows, kept over restarts: intents before a create, tasks before their first poll, ids of VMs.
 * Losing it loses nothing but speed, except that a clone which died half-way is then nobody's: marks are in Proxmox.
 */
export class Journal {
  readonly #file: string | undefined
  readonly #kept: Kept
  /** Marks by id, of what is known. */
  readonly #byId = new Map<number, string>()
  #writing: Promise<void> = Promise.resolve()

  /** Without a file it lives and dies with the process. A file that cannot be read is begun anew. */
  constructor(file?: string) {
    this.#file = file
    this.#kept = read(file) ?? { version: 1, intents: {}, leftOvers: {}, tasks: {}, pending: {}, known: {} }
    for (const [mark, { vmid }] of Object.entries(this.#kept.known)) this.#byId.set(vmid, mark)
  }

  intent(mark: string): Intent | undefined {
    return this.#kept.intents[mark]
  }

  /** Every id that some create has been promised. */
  get promisedIds(): number[] {
    return Object.values(this.#kept.intents).map((intent) => intent.vmid)
  }

  async setIntent(mark: string, intent: Intent | undefined): Promise<void> {
    if (intent === undefined) delete this.#kept.intents[mark]
    else this.#kept.intents[mark] = intent
    await this.#save()
  }

  /** Ids that a create of ours was promised, that are taken, and that do not read as ours: by id, with the mark. */
  get leftOvers(): ReadonlyMap<number, Kept['leftOvers'][string]> {
    return new Map(Object.entries(this.#kept.leftOvers).map(([vmid, left]) => [Number(vmid), left]))
  }

  async setLeftOver(vmid: number, left: Kept['leftOvers'][string] | undefined): Promise<void> {
    if (left === undefined) delete this.#kept.leftOvers[String(vmid)]
    else this.#kept.leftOvers[String(vmid)] = left
    await this.#save()
  }

  /** Tasks begun for `about` (a mark or the name of a file) that nobody has seen the end of. */
  tasksOf(about: string): string[] {
    return Object.entries(this.#kept.tasks).flatMap(([upid, task]) => (task.about === about ? [upid] : []))
  }

  async addTask(upid: string, about: string): Promise<void> {
    this.#kept.tasks[upid] = { about }
    await this.#save()
  }

  async removeTask(upid: string): Promise<void> {
    if (this.#kept.tasks[upid] === undefined) return
    delete this.#kept.tasks[upid]
    await this.#save()
  }

  /** The description that a VM is to have again after a rollback, which brings back that of its day. */
  pendingOf(mark: string): string | undefined {
    return this.#kept.pending[mark]
  }

  async setPending(mark: string, description: string | undefined): Promise<void> {
    if (this.#kept.pending[mark] === description) return
    if (description === undefined) delete this.#kept.pending[mark]
    else this.#kept.pending[mark] = description
    await this.#save()
  }

  get template(): string | undefined {
    return this.#kept.template
  }

  async setTemplate(sha256: string): Promise<void> {
    if (this.#kept.template === sha256) return
    this.#kept.template = sha256
    await this.#save()
  }

  /** VMs seen as ours, by mark. */
  get known(): ReadonlyMap<string, Kept['known'][string]> {
    return new Map(Object.entries(this.#kept.known))
  }

  /** The mark under which an id is known. */
  markAt(vmid: number): string | undefined {
    return this.#byId.get(vmid)
  }

  knownOf(mark: string): Kept['known'][string] | undefined {
    return this.#kept.known[mark]
  }

  /** Kept in memory at once, on disk with the next save: it is read again from Proxmox anyway. */
  setKnown(mark: string, vm: Kept['known'][string] | undefined): void {
    const before = this.#kept.known[mark]
    if (before !== undefined && this.#byId.get(before.vmid) === mark) this.#byId.delete(before.vmid)
    if (vm === undefined) delete this.#kept.known[mark]
    else {
      this.#kept.known[mark] = vm
      this.#byId.set(vm.vmid, mark)
    }
  }

  async save(): Promise<void> {
    await this.#save()
  }

  async #save(): Promise<void> {
    const file = this.#file
    if (file === undefined) return
    const text = `${JSON.stringify(this.#kept)}\n`
    const next = this.#writing.catch(() => undefined).then(() => write(file, text))
    this.#writing = next
    await next
  }
}

function read(file: string | undefined): Kept | undefined {
  if (file === undefined) return undefined
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return undefined
  }
}

async function write(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
}
