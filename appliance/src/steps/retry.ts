import { AppError } from '../errors/app-error.ts'

/** How often and how patiently something is tried again. Seconds; the pause grows by `factor` up to `longestSeconds`. */
export interface RetryPolicy {
  attempts: number
  firstSeconds: number
  factor: number
  longestSeconds: number
}

/** One try only: the caller comes back by itself (the reconciler does). */
export const once: RetryPolicy = { attempts: 1, firstSeconds: 0, factor: 1, longestSeconds: 0 }
/** What people wait for in front of a screen: five tries within about half a minute. */
export const patient: RetryPolicy = { attempts: 5, firstSeconds: 1, factor: 2, longestSeconds: 15 }

/** Pause in seconds after the `failures`-th failure in a row (1 = the first). */
export function backOffSeconds(policy: RetryPolicy, failures: number): number {
  return Math.min(policy.longestSeconds, policy.firstSeconds * policy.factor ** (failures - 1))
}

/** Whether trying again can help: an AppError says so itself; what we do not know may pass. */
export function mayPass(error: unknown): boolean {
  return error instanceof AppError ? error.retryable : true
}
