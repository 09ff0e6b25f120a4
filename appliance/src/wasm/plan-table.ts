import type { Clock } from '../clock/clock.ts'
import type { GasSource } from './credit.ts'

/** What the daemon tells of one wallet's subscriptions of kind WASM. `until`: Unix seconds at which one ends by itself. */
export interface PlanRow {
  wallet: string
  id: string
  gasPerDay: bigint
  until: number
}

/** How long a table counts: a daemon that has gone silent proves nothing, and nothing paid runs on. */
export const tableSeconds = 60

/**
 * Who holds what at the newest block, as the daemon told it last. It is replaced as a whole with every block that the daemon
 * sees, so that a pass that has moved or ended counts no more at the next call.
 */
export class PlanTable {
  readonly #clock: Pick<Clock, 'now' | 'monotonicMs'>
  #byWallet = new Map<string, PlanRow[]>()
  #toldMs: number | undefined

  constructor(clock: Pick<Clock, 'now' | 'monotonicMs'>) {
    this.#clock = clock
  }

  /** Puts a table in the place of the former one; undefined: nothing is known (a stale chain). */
  set(rows: readonly PlanRow[] | undefined): void {
    this.#toldMs = rows === undefined ? undefined : this.#clock.monotonicMs()
    this.#byWallet = Map.groupBy(rows ?? [], (row) => row.wallet.toLowerCase())
  }

  get known(): boolean {
    return this.#toldMs !== undefined && this.#clock.monotonicMs() - this.#toldMs <= tableSeconds * 1000
  }

  sources(wallet: string): readonly GasSource[] | 'unknown' {
    if (!this.known) return 'unknown'
    const now = this.#clock.now()
    return (this.#byWallet.get(wallet.toLowerCase()) ?? []).filter((row) => now < row.until)
  }
}
