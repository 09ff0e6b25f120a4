import type { Clock } from '../../clock/clock.ts'
import { configLock, isLockBusy } from './pve-error.ts'

/** Locks of Proxmox's own work: they end with it. */
const passingLocks = new Set(['backup', 'clone', 'create', 'migrate', 'rollback', 'snapshot', 'snapshot-delete'])
const pausesMs = [2000, 4000, 8000, 16_000] as const

/**
 * Runs what may find the lock held: it is asked again after 2, 4, 8, 16 s with some chance added, then the error is thrown and
 * the step is taken up later. `run` must first look whether its work is done already. Locks that do not pass are thrown at
 * once; none is ever taken away.
 */
export async function withPatience<T>(
  clock: Clock,
  pace: number,
  run: () => Promise<T>,
  options: { signal?: AbortSignal | undefined; chance?: () => number } = {},
): Promise<T> {
  const chance = options.chance ?? Math.random
  for (const pause of pausesMs) {
    try {
      return await run()
    } catch (error) {
      const lock = configLock(error)
      if (!isLockBusy(error) && !(lock !== undefined && passingLocks.has(lock))) throw error
      await clock.wait(Math.max(2, pause * pace * (1 + chance() / 2)), options.signal)
      options.signal?.throwIfAborted()
    }
  }
  return await run()
}
