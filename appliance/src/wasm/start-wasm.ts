import { isAbsolute, join } from 'node:path'
import type { Config } from '../config/schema.ts'
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
  /** The service has taken the table of plans lately. */
  delivers(): boolean
  wake(): void
  stop(): Promise<void>
}

/** Starts what tells freehold-wasmd who holds what, and what activates and ends subscriptions. Needs no service to be up yet. */
export function startWasm(ports: StartWasmPorts): RunningWasm {
  const host = createWasmClient(ports.socket)
  const feed = createPlanFeed({ ...ports, host })
  const subscriptions = createWasmSubscriptions({ ...ports, delivers: feed.deliversNow })
  feed.start()
  subscriptions.start()
  return {
    host,
    delivers: feed.delivers,
    wake: subscriptions.wake,
    async stop() {
      await subscriptions.stop()
      await feed.stop()
      host.close()
    },
  }
}

/** The daemon's door to the service. An installed host has systemd's, an embedded one its own. */
export function wasmSocketOf(config: Pick<Config, 'mode' | 'wasm'>, stateFolder: string): string {
  const path = config.wasm.hostSocket ?? (config.mode === 'installed' ? '/run/freehold-wasm.sock' : 'wasm/run/host.sock')
  return isAbsolute(path) ? path : join(stateFolder, path)
}
