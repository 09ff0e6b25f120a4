import { findAppError } from '../../errors/app-error.ts'
import type { ErrorCode } from '../../errors/catalogue.ts'

/** What a refusal on chain says, by number. Never renumbered. */
export const refusalCodes = {
  'broker-unreadable': 1,
  'bad-input': 2,
  'broker-not-admitted': 3,
  'broker-key-taken': 4,
  'broker-prefix-taken': 5,
  'broker-pool-full': 6,
  'broker-no-lease': 7,
  'broker-other-size': 8,
  'broker-too-far-ahead': 9,
  'broker-replayed': 10,
  'broker-clock-off': 11,
} as const satisfies Partial<Record<ErrorCode, number>>

/** The number of a refusal, or undefined for a fault that a later try may heal: that one is not answered yet. */
export function refusalCodeOf(error: unknown): number | undefined {
  const code = findAppError(error)?.code
  return code !== undefined && code in refusalCodes ? refusalCodes[code as keyof typeof refusalCodes] : undefined
}

/** The code of a number, for the host that reads it. */
export function refusalOfCode(code: number): ErrorCode | undefined {
  return (Object.entries(refusalCodes).find(([, number]) => number === code) ?? [])[0] as ErrorCode | undefined
}
