import type { InterfaceConfig } from './config.ts'
import type { InterfaceChange, WireGuardInterface } from './interface.ts'

/** Waiting, so that tests and products bring their own clock. Rejects or resolves early when the signal aborts. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>

export interface KeeperOptions {
  wait: Wait
  /** Bursts of changes become one: this long after the last, at most `burstMaxMs` after the first. Default 500 and 3000. */
  burstMs?: number
  burstMaxMs?: number
  /** A full compare finds what somebody else changed. Default one minute. */
  compareMs?: number
  /** Told of what was repaired without having been asked for. */
  onDrift?(change: InterfaceChange): void
  onError?(error: unknown): void
}

/** Keeps an interface as last wanted: joins bursts, repeats after failures, finds and repairs drift. */
export class InterfaceKeeper {
  readonly #target: Pick<WireGuardInterface, 'set'>
  readonly #options: Required<Pick<KeeperOptions, 'burstMs' | 'burstMaxMs' | 'compareMs'>> & KeeperOptions
  readonly #stop = new AbortController()
  #wanted: InterfaceConfig | undefined
  #version = 0
  #applied = 0
  #wake = new AbortController()
  readonly #loop: Promise<void>

  constructor(target: Pick<WireGuardInterface, 'set'>, options: KeeperOptions) {
    this.#target = target
    this.#options = { burstMs: 500, burstMaxMs: 3000, compareMs: 60_000, ...options }
    this.#loop = this.#run()
  }

  /** The whole truth from now on. */
  want(config: InterfaceConfig): void {
    this.#wanted = config
    this.#version += 1
    this.#wake.abort()
  }

  /** Ends the loop after the change under way; the interface stays as it is. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#wake.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (this.#version === this.#applied) await this.#pause(this.#options.compareMs)
      else await this.#settle()
      if (this.#stop.signal.aborted) return
      await this.#apply()
    }
  }

  /** Waits until a burst is over. */
  async #settle(): Promise<void> {
    for (let waited = 0; waited < this.#options.burstMaxMs; waited += this.#options.burstMs) {
      const before = this.#version
      this.#wake = new AbortController()
      await this.#wait(Math.min(this.#options.burstMs, this.#options.burstMaxMs - waited), this.#stop.signal)
      if (this.#version === before) return
    }
  }

  async #apply(): Promise<void> {
    const [wanted, version] = [this.#wanted, this.#version]
    if (wanted === undefined) return
    const asked = version !== this.#applied
    try {
      const change = await this.#target.set(wanted)
      this.#applied = version
      if (!asked && (change.device.peers.length > 0 || change.links.length > 0)) this.#options.onDrift?.(change)
    } catch (error) {
      this.#options.onError?.(error)
      await this.#pause(this.#options.burstMaxMs)
    }
  }

  async #pause(ms: number): Promise<void> {
    this.#wake = new AbortController()
    await this.#wait(ms, AbortSignal.any([this.#wake.signal, this.#stop.signal]))
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.wait(ms, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}
