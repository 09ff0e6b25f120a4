import { AppError, findAppError } from '../../errors/app-error.ts'
import type { CheckPorts, Section } from './section.ts'

/** How one live check ended (W8). */
export interface CheckResult {
  name: string
  pointer: string
  state: 'passed' | 'warned' | 'failed'
  values: Record<string, string | number>
  /** Of a warning or failure, for people. */
  detail: string | null
  hint: string | null
  code: string | null
}

/**
 * Asks the world about a section's answers, all checks side by side. Never rejects for what the world says: that is a
 * result. A check that does not end within `seconds` has failed.
 */
export async function runChecks(section: Section, value: unknown, ports: CheckPorts, seconds = 20): Promise<CheckResult[]> {
  const due = section.checks.filter((check) => check.applies?.(value) ?? true)
  return await Promise.all(
    due.map(async ({ name, pointer, run }) => {
      const limit = AbortSignal.timeout(seconds * 1000)
      const signal = AbortSignal.any([ports.signal, limit])
      try {
        const found = await unlessAborted(run(value, { ...ports, signal }), signal)
        const state = found.warning === undefined ? ('passed' as const) : ('warned' as const)
        return { name, pointer, state, values: { ...found.values }, detail: found.warning ?? null, hint: null, code: null }
      } catch (error) {
        const known =
          findAppError(error) ??
          new AppError({
            code: 'timed-out',
            detail: limit.aborted ? `It did not answer within ${seconds} s.` : 'It could not be asked.',
            cause: error,
          })
        return { name, pointer, state: 'failed' as const, values: {}, detail: known.detail, hint: known.hint, code: known.code }
      }
    }),
  )
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason as Error)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
    work.catch(() => undefined)
  }
}
