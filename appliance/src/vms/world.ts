import { vmIdOf, type VmId } from '../chain/installation.ts'
import type { ChainSnapshot, Heads } from '../chain/port.ts'
import { AppError, findAppError } from '../errors/app-error.ts'
import type { Capacity, Hypervisor, VmRecord } from '../hypervisor/port.ts'
import type { ServedContract } from './vm-work.ts'

/** One contract as a pass sees it. */
export interface ObservedContract {
  contract: ServedContract
  heads: Heads
  snapshot: ChainSnapshot
  /** Our key is PROVISIONER at the giving depth. */
  provisioner: boolean
}

/** What a pass looks at: read once, at its start. */
export interface World {
  contracts: ObservedContract[]
  /** Contracts that could not be read: nothing is done about their VMs. */
  unreadable: { installation: string; error: AppError }[]
  /** Undefined if the hypervisor does not answer: then no VM is known to be absent. */
  records: ReadonlyMap<VmId, VmRecord> | undefined
  /** Former generations that stand beside a newer one: a reinstall died before it took them away. */
  superseded: readonly VmRecord[]
  hypervisorError: AppError | undefined
  /** Asked once, when the first create needs it. */
  capacity(): Promise<{ capacity: Capacity; snapshots: boolean }>
}

/** Reads chain and hypervisor side by side. Never rejects: what fails is in the answer. */
export async function observe(contracts: readonly ServedContract[], hypervisor: Hypervisor): Promise<World> {
  const world: World = {
    contracts: [],
    unreadable: [],
    records: undefined,
    superseded: [],
    hypervisorError: undefined,
    capacity: onceOnly(async () => ({
      capacity: await hypervisor.capacity(),
      snapshots: (await hypervisor.capabilities()).snapshots,
    })),
  }
  await Promise.all([
    ...contracts.map(async (contract) => {
      try {
        const [heads, snapshot] = await Promise.all([contract.reader.heads(), contract.reader.snapshot('giving')])
        const provisioner = snapshot.provisioner.toLowerCase() === contract.provisioner.address.toLowerCase()
        world.contracts.push({ contract, heads, snapshot, provisioner })
      } catch (error) {
        world.unreadable.push({ installation: contract.reader.installation, error: known(error, 'rpc-unreachable') })
      }
    }),
    (async () => {
      try {
        const { newest, superseded } = byGeneration(await hypervisor.list())
        world.records = newest
        world.superseded = superseded
      } catch (error) {
        world.hypervisorError = known(error, 'hypervisor-down')
      }
    })(),
  ])
  return world
}

/** Of lists that the hypervisor answered: loop and pages look at the same one when nothing has changed. */
const sorted = new WeakMap<readonly VmRecord[], Generations>()

interface Generations {
  newest: ReadonlyMap<VmId, VmRecord>
  superseded: readonly VmRecord[]
}

/** One record per VM, that of the highest generation, whatever the order; and the others. Pure. */
export function byGeneration(records: readonly VmRecord[]): Generations {
  const known = sorted.get(records)
  if (known !== undefined) return known
  const generations = sortOut(records)
  sorted.set(records, generations)
  return generations
}

function sortOut(records: readonly VmRecord[]): Generations {
  const newest = new Map<VmId, VmRecord>()
  const superseded: VmRecord[] = []
  for (const record of records) {
    const id = vmIdOf(record.key)
    const other = newest.get(id)
    const older = other !== undefined && other.key.generation > record.key.generation
    if (!older) newest.set(id, record)
    if (other !== undefined) superseded.push(older ? record : other)
  }
  return { newest, superseded }
}

function known(error: unknown, code: 'rpc-unreachable' | 'hypervisor-down'): AppError {
  return findAppError(error) ?? new AppError({ code, detail: 'The question was not answered.', cause: error })
}

function onceOnly<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => (answer ??= ask())
}
