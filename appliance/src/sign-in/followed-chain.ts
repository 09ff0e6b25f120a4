import type { ChainReader, ChainSnapshot, Heads } from '../chain/port.ts'
import type { Clock } from '../clock/clock.ts'
import type { LatestChain } from './ports.ts'

const againMs = 15_000
const staleSeconds = 600
/** Two nodes that named the same newest block say so for this long; then it has to be asked again. */
const standingMs = 60_000

/** One contract as it was last read. */
export interface FollowedContract {
  latest: ChainSnapshot
  giving: ChainSnapshot
  heads: Heads
}

/** Keeps the newest block of each served contract in memory: presence and pages read it without asking the chain. */
export interface FollowedChain extends LatestChain {
  /** Begins to follow a contract, in the order of the daemon's list. Resolves after its first read, good or not. */
  serve(reader: ChainReader): Promise<void>
  /** What was read, in the order of `serve`; without contracts that could not be read yet. */
  contracts(): readonly FollowedContract[]
  /** The newest block is too old by our clock, and no two nodes agree that the chain stands still. */
  stale(contract: FollowedContract): boolean
  stop(): void
}

export function createFollowedChain(ports: { clock: Clock; log(line: string): void }): FollowedChain {
  const { clock } = ports
  const followed = new Map<string, { reader: ChainReader; now: FollowedContract | undefined; readMs: number }>()
  const listeners = new Set<() => void>()
  const stopping = new AbortController()

  async function read(reader: ChainReader): Promise<void> {
    const entry = followed.get(reader.installation)
    if (entry === undefined) return
    const [heads, latest] = await Promise.all([reader.heads(), reader.snapshot('latest')])
    const giving =
      heads.giving.hash === latest.block.hash ? { ...latest, depth: 'giving' as const } : await reader.snapshot('giving')
    entry.readMs = clock.monotonicMs()
    entry.now = { latest, giving, heads }
    for (const listener of listeners) listener()
  }

  async function follow(reader: ChainReader, first: PromiseWithResolvers<void>): Promise<void> {
    let woken = Promise.withResolvers<void>()
    const end = reader.watch(() => woken.resolve())
    let failed = false
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers()
      try {
        await read(reader)
        failed = false
      } catch (error) {
        // once per outage: the issue `chain-unreachable` tells it to people
        if (!failed) ports.log(`the newest block could not be read: ${error instanceof Error ? error.message : 'unknown'}`)
        failed = true
      }
      first.resolve()
      const early = new AbortController()
      await Promise.race([woken.promise, clock.wait(againMs, AbortSignal.any([stopping.signal, early.signal]))])
      early.abort()
    }
    end()
  }

  function stale(contract: FollowedContract): boolean {
    const entry = followed.get(contract.latest.installation)
    const { heads } = contract
    if (clock.now() - heads.latest.timestamp <= staleSeconds) return false
    return !(heads.standing && entry !== undefined && clock.monotonicMs() - entry.readMs < standingMs)
  }

  return {
    async serve(reader) {
      if (followed.has(reader.installation)) return
      followed.set(reader.installation, { reader, now: undefined, readMs: 0 })
      const first = Promise.withResolvers<void>()
      void follow(reader, first)
      await first.promise
    },
    contracts: () => [...followed.values()].flatMap(({ now }) => now ?? []),
    stale,
    contract: (installation) => followed.get(installation)?.reader.contract.toLowerCase(),
    latest(installation, tokenId) {
      const now = followed.get(installation)?.now
      if (now === undefined) return undefined
      return { subscription: now.latest.subscriptions.get(tokenId), block: now.latest.block, stale: stale(now) }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop: () => stopping.abort(),
  }
}
