import { vmIdOf } from '../chain/installation.ts'
import { zeroAddress, type Address } from '../chain/subscription.ts'
import type { TokenReader } from '../chain/erc20.ts'
import type { Clock } from '../clock/clock.ts'
import type { Hypervisor } from '../hypervisor/port.ts'
import type { FollowedChain } from '../sign-in/followed-chain.ts'
import type { TaskRecord } from '../steps/step.ts'
import type { TaskEvent } from '../steps/task-store.ts'
import type { TaskRepository } from '../store/tasks.ts'
import type { VmRepository } from '../store/vms.ts'
import { noFacts, type HostFacts } from './facts.ts'
import type { TokenInfo } from './ports.ts'

export interface LiveFactsPorts {
  clock: Clock
  chain: FollowedChain
  vms: Pick<VmRepository, 'list'>
  tasks: Pick<TaskRepository, 'unfinished'>
  events: { subscribe(listener: (event: TaskEvent) => void): () => void }
  tokens: Pick<TokenReader, 'facts'>
  /** Undefined before setup has opened one. */
  hypervisor(): Pick<Hypervisor, 'list' | 'capabilities' | 'watch'> | undefined
  notices(): Promise<HostFacts['notices']>
  storefront(): HostFacts['storefront']
  log(line: string): void
}

/** The facts that the API shows, renewed when something changed and every 15 s. */
export interface LiveFacts {
  facts(): HostFacts
  token(address: Address): TokenInfo
  /** Look now; resolves when it has been looked. Safe to call at any time (a guest reported, setup ended, …). */
  refresh(): Promise<void>
  stop(): void
}

const everyMs = 15_000
/** Changes come in crowds: at most ten looks a second. */
const restMs = 100

export function createLiveFacts(ports: LiveFactsPorts): LiveFacts {
  let facts: HostFacts = noFacts
  const tokens = new Map<Address, TokenInfo>([[zeroAddress, { symbol: 'ETH', decimals: 18, permit: false }]])
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  let dirty = false
  let unwatch: (() => void) | undefined
  let watched: unknown

  async function look(): Promise<void> {
    const hypervisor = ports.hypervisor()
    if (hypervisor !== watched) {
      unwatch?.()
      watched = hypervisor
      unwatch = hypervisor?.watch(() => void refresh())
    }
    const contracts = ports.chain.contracts()
    const [rows, unfinished, records, capabilities, notices] = await Promise.all([
      ports.vms.list(),
      ports.tasks.unfinished(),
      // not answering is not absence: the VMs are then unknown, not missing
      hypervisor?.list().catch(() => null) ?? null,
      hypervisor?.capabilities().catch(() => null) ?? null,
      ports.notices(),
      loadTokens(contracts),
    ])
    const [first] = contracts
    facts = {
      contracts,
      heads: first === undefined ? null : { ...first.heads, stale: ports.chain.stale(first) },
      vms: new Map(rows.map((row) => [vmIdOf(row), row])),
      records: records === null ? null : new Map(records.map((r) => [vmIdOf(r.key), r])),
      tasks: new Map(unfinished.map((t) => [t.subject, phaseKept(t)])),
      hypervisor: capabilities,
      notices,
      storefront: ports.storefront(),
    }
  }

  /** Phases are shown, not stored: what an event told last is newer than the row. */
  function phaseKept(task: TaskRecord): TaskRecord {
    const shown = facts.tasks.get(task.subject)
    return shown?.taskId === task.taskId && shown.state === 'running' ? shown : task
  }

  async function loadTokens(contracts: HostFacts['contracts']): Promise<void> {
    const wanted = contracts.flatMap(({ latest }) => [
      ...latest.plans.flatMap((p) => p.prices.map((price) => price.token)),
      ...new Set([...latest.subscriptions.values()].map((s) => s.token)),
    ])
    for (const address of new Set(wanted)) {
      if (tokens.has(address)) continue
      try {
        const { symbol, decimals, permit } = await ports.tokens.facts(address)
        tokens.set(address, { symbol, decimals, permit })
      } catch {
        ports.log(`token ${address} does not tell its symbol; it is asked again`)
      }
    }
  }

  async function run(): Promise<void> {
    while (dirty && !stopping.signal.aborted) {
      dirty = false
      try {
        await look()
      } catch (error) {
        ports.log(`the facts could not be renewed: ${error instanceof Error ? error.message : 'unknown'}`)
      }
      await ports.clock.wait(restMs, stopping.signal)
    }
    running = undefined
  }

  function refresh(): Promise<void> {
    dirty = true
    return (running ??= run())
  }

  const endEvents = ports.events.subscribe((event) => {
    if (event.type !== 'task') return
    const { task } = event
    const moved = new Map(facts.tasks)
    if (task.state === 'running') moved.set(task.subject, task)
    else moved.delete(task.subject)
    facts = { ...facts, tasks: moved }
    if (task.state !== 'running') void refresh()
  })
  const endChain = ports.chain.onChange(() => void refresh())
  void (async () => {
    while (!stopping.signal.aborted) {
      await refresh()
      await ports.clock.wait(everyMs, stopping.signal)
    }
  })()

  return {
    facts: () => facts,
    token: (address) =>
      tokens.get(address) ?? { symbol: `${address.slice(0, 6)}…${address.slice(-4)}`, decimals: 0, permit: false },
    refresh,
    stop() {
      stopping.abort()
      endEvents()
      endChain()
      unwatch?.()
    },
  }
}
