import { vmIdOf } from '../chain/installation.ts'
import type { ChainReader, ChainSnapshot, Heads } from '../chain/port.ts'
import type { Clock } from '../clock/clock.ts'
import type { Capabilities, Hypervisor, VmRecord } from '../hypervisor/port.ts'
import type { LatestChain, LatestFacts } from '../sign-in/ports.ts'
import type { TaskRecord } from '../steps/step.ts'
import type { TaskEvent } from '../steps/task-store.ts'
import type { StoredVm, VmRepository } from '../store/vms.ts'
import type { HostFacts } from './facts.ts'
import { byGeneration } from '../vms/world.ts'

export interface FactsPorts {
  clock: Clock
  readers: readonly ChainReader[]
  hypervisor: Pick<Hypervisor, 'list' | 'capabilities' | 'watch'>
  vms: Pick<VmRepository, 'list'>
  notices(): readonly { code: string; title: string }[]
  /** Before a snapshot is shown: what its plans are priced in must be known. */
  prepare(snapshot: ChainSnapshot): Promise<void>
  log(line: string, cause?: unknown): void
}

/** Follows chain, hypervisor, store and tasks, and holds what lists and logins are answered from. */
export interface FactsKeeper extends LatestChain {
  facts(): HostFacts
  /** What is known of the chain is too old to let anybody in, or to take anything. */
  isStale(): boolean
  /** Reads everything once; throws what the chain reader throws. Then follows. */
  start(): Promise<void>
  /** A task changed. */
  onTask(event: TaskEvent): void
  /** Look again now. */
  wake(): void
  stop(): Promise<void>
}

const staleAfterSeconds = 600
/** How long it is believed that the chain itself stands still: a node that has gone silent since proves nothing. */
const standingForMs = 60_000
/** Even if nothing woke it: what is shown is never older. */
const refreshMs = 15_000

interface Read {
  contracts: readonly { latest: ChainSnapshot; giving: ChainSnapshot }[]
  heads: Heads | null
  rows: readonly StoredVm[]
  vms: ReadonlyMap<string, StoredVm>
  records: ReadonlyMap<string, VmRecord> | null
  hypervisor: Capabilities | null
}

export function createFactsKeeper(ports: FactsPorts): FactsKeeper {
  const tasks = new Map<string, TaskRecord>()
  const listeners = new Set<() => void>()
  const stopping = new AbortController()
  let read: Read = { contracts: [], heads: null, rows: [], vms: new Map(), records: null, hypervisor: null }
  let headsReadMs = 0
  let facts = assemble()
  let woken = Promise.withResolvers<void>()
  let loop: Promise<void> | undefined
  let unwatch: (() => void)[] = []

  function assemble(): HostFacts {
    return {
      ...read,
      tasks: new Map(tasks),
      notices: ports.notices(),
      storefront: read.contracts.length === 0 ? { open: false, because: 'The network has not been read yet.' } : { open: true },
    }
  }

  function isStale(heads: Heads | null): boolean {
    if (heads === null) return true
    const standing = heads.standing && ports.clock.monotonicMs() - headsReadMs < standingForMs
    return ports.clock.now() - heads.latest.timestamp > staleAfterSeconds && !standing
  }

  async function look(): Promise<void> {
    const contracts = []
    let heads: Heads | null = null
    for (const reader of ports.readers) {
      heads = await reader.heads()
      headsReadMs = ports.clock.monotonicMs()
      const latest = await reader.snapshot('latest')
      // one read serves both where the newest block itself is deep enough
      const giving = heads.giving.hash === heads.latest.hash ? latest : await reader.snapshot('giving')
      await ports.prepare(latest)
      contracts.push({ latest, giving })
    }
    const rows = await ports.vms.list()
    // few blocks change a row: the map of ten thousand is made when one did
    const vms = rows === read.rows ? read.vms : new Map(rows.map((vm) => [vmIdOf(vm), vm]))
    const [records, hypervisor] = await Promise.all([
      ports.hypervisor.list().then(
        (list) => byGeneration(list).newest,
        () => null,
      ),
      ports.hypervisor.capabilities().catch(() => null),
    ])
    read = { contracts, heads, rows, vms, records, hypervisor }
    facts = assemble()
    for (const listener of listeners) listener()
  }

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      const early = new AbortController()
      void woken.promise.then(() => early.abort())
      await ports.clock.wait(refreshMs, AbortSignal.any([early.signal, stopping.signal]))
      if (stopping.signal.aborted) return
      woken = Promise.withResolvers<void>()
      await look().catch((error: unknown) => {
        ports.log('the facts could not be refreshed', error)
        // what was known stays, dated by its block; staleness is judged by the clock
        for (const listener of listeners) listener()
      })
    }
  }

  function wake(): void {
    woken.resolve()
  }

  return {
    facts: () => facts,
    isStale: () => isStale(read.heads),
    wake,
    async start() {
      await look()
      unwatch = [...ports.readers.map((reader) => reader.watch(wake)), ports.hypervisor.watch(wake)]
      loop = follow()
    },
    onTask(event) {
      if (event.type !== 'task') return
      if (event.task.state === 'running') tasks.set(event.task.subject, event.task)
      else {
        tasks.delete(event.task.subject)
        wake()
      }
      facts = assemble()
    },
    async stop() {
      stopping.abort()
      for (const end of unwatch) end()
      await loop
    },
    contract(installation) {
      return ports.readers.find((reader) => reader.installation === installation)?.contract
    },
    latest(installation, tokenId): LatestFacts | undefined {
      const found = read.contracts.find((c) => c.latest.installation === installation)
      if (found === undefined) return undefined
      return { subscription: found.latest.subscriptions.get(tokenId), block: found.latest.block, stale: isStale(read.heads) }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
