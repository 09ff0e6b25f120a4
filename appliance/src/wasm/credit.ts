import type { Clock } from '../clock/clock.ts'
import { WasmRefusal } from './wasm-error.ts'

/** Something that gives gas a day: a subscription, by its id. */
export interface GasSource {
  id: string
  gasPerDay: bigint
}

/** Gas set aside for one run; give the rest back exactly once the run is in the books (a second time does nothing). */
export interface Reservation {
  gasLimit: bigint
  /** Whose usage the run counts for. */
  payer: string
  release(): void
}

export interface CreditPorts {
  clock: Pick<Clock, 'now'>
  /** What a wallet's subscriptions give; `unknown` while the host does not say. */
  sources(wallet: string): readonly GasSource[] | 'unknown'
  /** Gas that a payer has used on a day (days since 1970, UTC). */
  used(payer: string, day: number): bigint
  /** Gas a day for whoever has no plan, for development; 0: none. */
  freeGasPerDay: bigint
}

/** No processor spends more in a second: what a run can use in its time bounds what is set aside for it. */
const gasPerSecondAtMost = 50_000_000_000n

/**
 * Who pays for a run, and how much of it is left today. Gas belongs to the subscription and not to the wallet: a pass that goes
 * from hand to hand does not give its day twice. What runs at the same time is set aside, so that many runs together cannot
 * spend a day's gas many times over.
 */
export class Credit {
  readonly #ports: CreditPorts
  readonly #reserved = new Map<string, bigint>()

  constructor(ports: CreditPorts) {
    this.#ports = ports
  }

  /** Gas left today by payer, what is set aside included. */
  #left(source: GasSource): { left: bigint; free: bigint } {
    const left = source.gasPerDay - this.#ports.used(source.id, Math.floor(this.#ports.clock.now() / 86_400))
    return { left, free: left - (this.#reserved.get(source.id) ?? 0n) }
  }

  /**
   * Sets gas aside for a run of `owner` (an API key's wallet, or the key's id). The last run of a day gets no more than is left.
   * Throws `ALLOWANCE_SPENT`; `RATE_LIMITED` while the owner's own runs hold what is left; `CAPACITY_EXCEEDED` while the host
   * does not say what the owner has.
   */
  reserve(owner: string, wanted: bigint, seconds: number): Reservation {
    const plans = owner.startsWith('0x') ? this.#ports.sources(owner) : []
    const own = plans === 'unknown' ? [] : plans
    const { freeGasPerDay } = this.#ports
    const all = freeGasPerDay > 0n ? [...own, { id: owner, gasPerDay: freeGasPerDay }] : own
    const [best] = all.map((source) => ({ source, ...this.#left(source) })).toSorted((a, b) => (a.free > b.free ? -1 : 1))
    if (best === undefined || best.left <= 0n) {
      if (plans === 'unknown') {
        throw new WasmRefusal('CAPACITY_EXCEEDED', {
          detail: 'What this key may spend is not known at the moment.',
          retryAfterSeconds: 5,
        })
      }
      throw new WasmRefusal('ALLOWANCE_SPENT', {
        ...(all.length === 0 && { detail: 'No subscription with gas belongs to this key: buy or extend one.' }),
      })
    }
    const gasLimit = wanted < best.left ? wanted : best.left
    const most = gasPerSecondAtMost * BigInt(seconds)
    const aside = gasLimit < most ? gasLimit : most
    if (aside > best.free && best.free < best.left) {
      throw new WasmRefusal('RATE_LIMITED', {
        detail: 'Your own runs hold what is left of the gas of this day.',
        retryAfterSeconds: 1,
      })
    }
    const payer = best.source.id
    this.#reserved.set(payer, (this.#reserved.get(payer) ?? 0n) + aside)
    let held = true
    return {
      gasLimit,
      payer,
      release: () => {
        if (!held) return
        held = false
        const rest = (this.#reserved.get(payer) ?? 0n) - aside
        if (rest > 0n) this.#reserved.set(payer, rest)
        else this.#reserved.delete(payer)
      },
    }
  }
}
