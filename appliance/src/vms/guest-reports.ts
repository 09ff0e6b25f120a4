import type { VmKey } from '../chain/installation.ts'
import { vmIdOf } from '../chain/installation.ts'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import type { VmRepository } from '../store/vms.ts'

/** Tells when a guest has reported itself. The guest API writes the row and then calls `reported`. */
export interface GuestReports {
  /** Resolves once the guest of this very generation has reported; rejects with `timed-out` or with the signal's reason. */
  waitForReport(key: VmKey, signal: AbortSignal): Promise<void>
  /** Wakes whoever waits; the row is the truth, so calling it too often or not at all costs time only. */
  reported(key: Pick<VmKey, 'installation' | 'tokenId'>): void
}

/** Waits on the store's rows, looked at again every two seconds and whenever `reported` is called. */
export function createGuestReports(vms: Pick<VmRepository, 'get'>, clock: Clock, timeoutSeconds = 900): GuestReports {
  const waiting = new Map<string, Set<() => void>>()

  async function pause(id: string, signal: AbortSignal): Promise<void> {
    const early = new AbortController()
    const wake = (): void => early.abort()
    const mine = waiting.get(id) ?? new Set()
    waiting.set(id, mine.add(wake))
    await clock.wait(2000, AbortSignal.any([signal, early.signal]))
    mine.delete(wake)
    if (mine.size === 0) waiting.delete(id)
  }

  return {
    async waitForReport(key, signal) {
      // real time, not the daemon's clock: a moved clock does not make a guest boot faster
      const deadline = performance.now() + timeoutSeconds * 1000
      for (;;) {
        signal.throwIfAborted()
        const row = await vms.get(key)
        if (row !== undefined && row.generation === key.generation && row.reportedAt !== null) return
        if (performance.now() > deadline) {
          throw new AppError({
            code: 'timed-out',
            detail: `The guest of VM ${vmIdOf(key)} has not reported itself within ${timeoutSeconds} s.`,
            hint: 'Look at its console; it is tried again by itself.',
          })
        }
        await pause(vmIdOf(key), signal)
      }
    },
    reported(key) {
      for (const wake of waiting.get(vmIdOf(key)) ?? []) wake()
    },
  }
}
