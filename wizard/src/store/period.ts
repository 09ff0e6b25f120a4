/** Days that a form offers or takes. All lengths in whole days; the contract takes seconds. */
export interface DayRange {
  min: number
  max: number
}

export const daySeconds = 86_400

/** The whole days within what a plan allows. */
export function dayRange(plan: { minSeconds: number; maxSeconds: number }): DayRange {
  return { min: Math.ceil(plan.minSeconds / daySeconds), max: Math.floor(plan.maxSeconds / daySeconds) }
}

/** Up to four usual lengths within the range. */
export function usualDays({ min, max }: DayRange): number[] {
  const usual = [7, 30, 60, 90].filter((d) => d >= min && d <= max)
  return usual.length > 0 ? usual : [min]
}

/** The number of days that a text means, or undefined if it is none within the range. */
export function parseDays(text: string, { min, max }: DayRange): number | undefined {
  if (!/^\s*[0-9]{1,5}\s*$/.test(text)) return undefined
  const days = Number(text)
  return days >= min && days <= max ? days : undefined
}

/** By how many days a subscription can be extended now: at least the plan's minimum, its end never beyond now + max. */
export function extensionRange(plan: { minSeconds: number; maxSeconds: number }, expiresAt: number, now: number): DayRange {
  const left = Math.max(0, expiresAt - now)
  // a minute of air: the block that includes it is later than now
  return { min: Math.ceil(plan.minSeconds / daySeconds), max: Math.floor((plan.maxSeconds - left - 60) / daySeconds) }
}
