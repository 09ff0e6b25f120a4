import { createWasmClient, type WasmHost } from './host-client.ts'
import { createPlanFeed, type PlanFeedPorts } from './plan-feed.ts'
import { createWasmSubscriptions, type WasmSubscriptionsPorts } from './wasm-subscriptions.ts'

export interface StartWasmPorts
  extends Omit<PlanFeedPorts, 'host'>, Pick<WasmSubscriptionsPorts, 'contracts' | 'settings' | 'waitSeconds'> {
  /** The daemon's door to freehold-wasmd. */
  socket: string
}

/** The daemon's part of WASM hosting. */
export interface RunningWasm {
  host: WasmHost
  wake(): void
  stop(): Promise<void>
}

/** Starts what tells freehold-wasmd who holds what, and what activates and ends subscriptions. Needs no service to be up yet. */
export function startWasm(ports: StartWasmPorts): RunningWasm {
  const host = createWasmClient(ports.socket)
  const feed = createPlanFeed({ ...ports, host })
  const subscriptions = createWasmSubscriptions({ ...ports, delivers: feed.delivers })
  feed.start()
  subscriptions.start()
  return {
    host,
    wake: subscriptions.wake,
    async stop() {
      await subscriptions.stop()
      await feed.stop()
      host.close()
    },
  }
}
