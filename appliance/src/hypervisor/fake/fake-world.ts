import { readFileSync } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { vmIdOf, type VmId, type VmKey } from '../../chain/installation.ts'
import type { PowerState, Seed, VmFacts, VmRecord } from '../port.ts'

const vmSchema = z.strictObject({
  key: z.strictObject({ installation: z.string(), tokenId: z.string().transform(BigInt), generation: z.number() }),
  storage: z.string(),
  whole: z.boolean(),
  state: z.enum(['running', 'stopped', 'paused', 'crashed', 'unknown']),
  autostart: z.boolean(),
  startedAt: z.number().nullable(),
  spec: z.strictObject({
    vcpus: z.number(),
    memoryMiB: z.number(),
    diskGiB: z.number(),
    addresses: z.strictObject({ ipv4: z.string().nullable(), ipv6: z.string().nullable(), sshPort: z.number().nullable() }),
    mac: z.string(),
    template: z.string(),
    origin: z.strictObject({ buyer: z.string(), boughtBlock: z.number() }),
  }),
  seed: z.strictObject({ userData: z.string(), metaData: z.string(), networkConfig: z.string(), freeholdJson: z.string() }),
  facts: z.strictObject({
    hostKey: z.strictObject({ fingerprint: z.string(), publicKey: z.string() }).nullable(),
    activating: z.boolean(),
  }),
  disk: z.string(),
  snapshots: z.array(z.strictObject({ name: z.string(), disk: z.string() })),
})
const worldSchema = z.strictObject({
  version: z.literal(1),
  vms: z.array(vmSchema),
  templates: z.array(z.strictObject({ sha256: z.string(), sizeBytes: z.number(), virtualSizeBytes: z.number() })),
  foreign: z.array(z.string()),
})

/** A VM of the fake. */
export interface FakeVm {
  key: VmKey
  storage: string
  /** False between the beginning and the end of its create. */
  whole: boolean
  state: PowerState
  autostart: boolean
  startedAt: number | null
  spec: VmRecord['spec']
  seed: Seed
  facts: VmFacts
  /** What its guest wrote, so that reinstall and rollback can be told apart. */
  disk: string
  snapshots: readonly { name: string; disk: string }[]
}

/** A template of the fake: facts about an image, not the image. */
export interface FakeTemplate {
  sha256: string
  sizeBytes: number
  virtualSizeBytes: number
}

/** All that the fake knows. With a file it is there again after a kill: a change is on disk before its verb returns. */
export class FakeWorld {
  readonly vms = new Map<VmId, FakeVm>()
  readonly templates = new Map<string, FakeTemplate>()
  /** Names of VMs that others made. */
  readonly foreign = new Set<string>()
  readonly #file: string | undefined
  #writing: Promise<void> | undefined
  #next: Promise<void> | undefined

  /** Throws Error if the file is there and holds no world. */
  constructor(file?: string) {
    this.#file = file
    const text = file === undefined ? undefined : readIfThere(file)
    if (text === undefined) return
    const stored = worldSchema.parse(JSON.parse(text))
    for (const vm of stored.vms) this.vms.set(vmIdOf(vm.key), vm)
    for (const template of stored.templates) this.templates.set(template.sha256, template)
    for (const name of stored.foreign) this.foreign.add(name)
  }

  /** Resolves once the world as it is now is on disk, whole. Calls that wait for a write share the next one. */
  save(): Promise<void> {
    if (this.#file === undefined) return Promise.resolve()
    const file = this.#file
    if (this.#writing === undefined) {
      this.#writing = this.#write(file).finally(() => (this.#writing = undefined))
      return this.#writing
    }
    this.#next ??= this.#writing.then(() => {
      this.#next = undefined
      return this.save()
    })
    return this.#next
  }

  /** Resolves once nothing is being written. Who only looked has written nothing: another's world stays as it is. */
  async settled(): Promise<void> {
    await (this.#next ?? this.#writing)
  }

  async #write(file: string): Promise<void> {
    const world = { version: 1, vms: [...this.vms.values()], templates: [...this.templates.values()], foreign: [...this.foreign] }
    const text = JSON.stringify(world, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
    await mkdir(dirname(file), { recursive: true })
    const handle = await open(`${file}.new`, 'w', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(`${file}.new`, file)
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
