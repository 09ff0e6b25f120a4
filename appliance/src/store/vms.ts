import type { UnixSeconds } from '../clock/clock.ts'
import type { Vm } from '../generated/prisma/client.ts'
import type { Database } from './database.ts'
import { column, seconds } from './json.ts'

/** Which VM, over all its generations. */
export interface VmRowKey {
  installation: string
  tokenId: bigint
}

/** When something was first known about a VM, by our own clock. Null: not yet, or no longer. */
export interface VmMarkers {
  /** The guest traded its one-time token for the secret. */
  secretUsedAt: UnixSeconds | null
  reportedAt: UnixSeconds | null
  /** The intent to activate was persisted: from then on the disk is under the taking rule. */
  activateIntentAt: UnixSeconds | null
  activatedSeenAt: UnixSeconds | null
  /** A finalized block past graceEndsAt was first seen; cleared when the subscription is no longer past it. */
  graceOverSeenSince: UnixSeconds | null
  destroyedAt: UnixSeconds | null
}

/** What the daemon keeps of one VM. All of it but the markers can be rebuilt from chain and hypervisor. */
export interface StoredVm extends VmRowKey, VmMarkers {
  generation: number
  planId: number
  vcpus: number
  memoryMiB: number
  diskGiB: number
  addresses: { ipv4: string | null; ipv6: string | null; sshPort: number | null }
  mac: string
  /** SHA-256 of the template, hex. */
  template: string
  origin: { buyer: string; boughtBlock: number }
  hostKey: { fingerprint: string; publicKey: string } | null
  createdAt: UnixSeconds
}

export interface VmRepository {
  /** Writes the whole row, new or not. */
  put(vm: StoredVm): Promise<void>
  get(key: VmRowKey): Promise<StoredVm | undefined>
  /** By installation, then token id; not to be changed, and the same array until the next write. `destroyed` rows only on request. */
  list(filter?: { installation?: string; destroyed?: boolean }): Promise<readonly StoredVm[]>
  /** Sets the named markers, and host key where given; nothing else. False if there is no such row. */
  mark(key: VmRowKey, changes: Partial<VmMarkers> & { hostKey?: StoredVm['hostKey'] }): Promise<boolean>
  /** The guest's token, good once: true for the first caller of this generation, false for all others. */
  useSecret(key: VmRowKey & { generation: number }): Promise<boolean>
  remove(key: VmRowKey): Promise<void>
}

function idOf({ installation, tokenId }: VmRowKey) {
  return { installation_tokenId: { installation, tokenId: tokenId.toString() } }
}

function toRow(vm: StoredVm): Vm {
  return {
    installation: vm.installation,
    tokenId: vm.tokenId.toString(),
    generation: vm.generation,
    planId: vm.planId,
    vcpus: vm.vcpus,
    memoryMiB: vm.memoryMiB,
    diskGiB: vm.diskGiB,
    ...vm.addresses,
    mac: vm.mac,
    template: vm.template,
    buyer: vm.origin.buyer,
    boughtBlock: BigInt(vm.origin.boughtBlock),
    hostKeyFingerprint: vm.hostKey?.fingerprint ?? null,
    hostKeyPublic: vm.hostKey?.publicKey ?? null,
    secretUsedAt: column(vm.secretUsedAt),
    reportedAt: column(vm.reportedAt),
    activateIntentAt: column(vm.activateIntentAt),
    activatedSeenAt: column(vm.activatedSeenAt),
    graceOverSeenSince: column(vm.graceOverSeenSince),
    destroyedAt: column(vm.destroyedAt),
    createdAt: BigInt(vm.createdAt),
  }
}

function fromRow(row: Vm): StoredVm {
  return {
    installation: row.installation,
    tokenId: BigInt(row.tokenId),
    generation: row.generation,
    planId: row.planId,
    vcpus: row.vcpus,
    memoryMiB: row.memoryMiB,
    diskGiB: row.diskGiB,
    addresses: { ipv4: row.ipv4, ipv6: row.ipv6, sshPort: row.sshPort },
    mac: row.mac,
    template: row.template,
    origin: { buyer: row.buyer, boughtBlock: Number(row.boughtBlock) },
    hostKey:
      row.hostKeyFingerprint === null || row.hostKeyPublic === null
        ? null
        : { fingerprint: row.hostKeyFingerprint, publicKey: row.hostKeyPublic },
    secretUsedAt: seconds(row.secretUsedAt),
    reportedAt: seconds(row.reportedAt),
    activateIntentAt: seconds(row.activateIntentAt),
    activatedSeenAt: seconds(row.activatedSeenAt),
    graceOverSeenSince: seconds(row.graceOverSeenSince),
    destroyedAt: seconds(row.destroyedAt),
    createdAt: Number(row.createdAt),
  }
}

function markerColumns(changes: Partial<VmMarkers>): Record<string, bigint | null> {
  return Object.fromEntries(
    Object.entries(changes).map(([name, value]) => [name, typeof value === 'number' ? BigInt(value) : null]),
  )
}

export function createVms(db: Database): VmRepository {
  /** All rows without the destroyed ones, until the next write: every block asks for them, and nearly none writes. */
  let standing: Promise<StoredVm[]> | undefined

  /** What was read before a write, or while it went on, is not kept. */
  async function written<T>(write: () => Promise<T>): Promise<T> {
    standing = undefined
    try {
      return await write()
    } finally {
      standing = undefined
    }
  }

  async function read(installation: string | undefined, destroyed: boolean): Promise<StoredVm[]> {
    const rows = await db.queries.vm.findMany({
      where: { ...(installation !== undefined && { installation }), ...(!destroyed && { destroyedAt: null }) },
      orderBy: { installation: 'asc' },
    })
    return rows.map(fromRow).sort((a, b) => a.installation.localeCompare(b.installation) || (a.tokenId < b.tokenId ? -1 : 1))
  }

  return {
    async put(vm) {
      const row = toRow(vm)
      await written(() => db.queries.vm.upsert({ where: idOf(vm), create: row, update: row }))
    },
    async get(key) {
      const row = await db.queries.vm.findUnique({ where: idOf(key) })
      return row === null ? undefined : fromRow(row)
    },
    async list({ installation, destroyed = false } = {}) {
      if (destroyed) return await read(installation, true)
      const reading = (standing ??= read(undefined, false))
      // a read that failed is not what stands
      reading.catch(() => {
        if (standing === reading) standing = undefined
      })
      const rows = await reading
      return installation === undefined ? rows : rows.filter((row) => row.installation === installation)
    },
    async mark(key, { hostKey, ...markers }) {
      const change = () =>
        db.queries.vm.updateMany({
          where: idOf(key).installation_tokenId,
          data: {
            ...markerColumns(markers),
            ...(hostKey !== undefined && {
              hostKeyFingerprint: hostKey?.fingerprint ?? null,
              hostKeyPublic: hostKey?.publicKey ?? null,
            }),
          },
        })
      return (await written(change)).count > 0
    },
    async useSecret({ generation, ...key }) {
      const change = () =>
        db.queries.vm.updateMany({
          where: { ...idOf(key).installation_tokenId, generation, secretUsedAt: null },
          data: { secretUsedAt: BigInt(db.clock.now()) },
        })
      return (await written(change)).count > 0
    },
    async remove(key) {
      await written(() => db.queries.vm.deleteMany({ where: idOf(key).installation_tokenId }))
    },
  }
}
