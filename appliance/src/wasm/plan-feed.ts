import type { Clock } from '../clock/clock.ts'
import type { WasmHost } from './host-client.ts'
import { tableSeconds, type PlanRow } from './plan-table.ts'

export interface PlanFeedPorts {
  clock: Clock
  host: Pick<WasmHost, 'setPlans'>
  /** What wallets hold now; undefined: the newest block is not known. */
  rows(): readonly PlanRow[] | undefined
  /** Calls back when the answer may have changed. */
  onChange(listener: () => void): () => void
  log(line: string, cause?: unknown): void
}

export interface PlanFeed {
  start(): void
  /** The service has taken a table lately: what is activated now can be used now. */
  delivers(): boolean
  /** Tells the table now, and says whether the service took it: who gives something for good relies on no older answer. */
  deliversNow(): Promise<boolean>
  stop(): Promise<void>
}

const everyMs = 10_000
const againMs = 1000

/** Tells freehold-wasmd who holds what: at each change, and often enough that the table never runs out while both live. */
export function createPlanFeed({ clock, host, rows, onChange, log }: PlanFeedPorts): PlanFeed {
  const stopping = new AbortController()
  let woken = Promise.withResolvers<void>()
  let toldMs: number | undefined
  let failing = false
  let loop: Promise<void> | undefined
  let unwatch: (() => void) | undefined

  /** Says whether the service took the table. */
  async function tell(): Promise<boolean> {
    try {
      await host.setPlans(rows())
      if (failing) log('freehold-wasmd answers again')
      failing = false
      toldMs = clock.monotonicMs()
      return true
    } catch (error) {
      if (!failing) log('freehold-wasmd does not take the plans', error)
      failing = true
      return false
    }
  }

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers()
      const pause = (await tell()) ? everyMs : againMs
      const early = new AbortController()
      await Promise.race([woken.promise, clock.wait(pause, AbortSignal.any([stopping.signal, early.signal]))])
      early.abort()
    }
  }

  return {
    start() {
      unwatch = onChange(() => woken.resolve())
      loop = follow()
    },
    deliversNow: tell,
    delivers: () => !failing && toldMs !== undefined && clock.monotonicMs() - toldMs < tableSeconds * 1000,
    async stop() {
      stopping.abort()
      unwatch?.()
      woken.resolve()
      await loop
    },
  }
}
