const day = { day: 'numeric', month: 'short', year: 'numeric' } as const
const minute = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const

function inUtc(unixSeconds: number, locale: string, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, { ...options, timeZone: 'UTC' }).format(unixSeconds * 1000)
}

/** `3 Mar 2027, 14:00` in UTC, as the locale writes it; the caller adds the zone's name. */
export function utcTime(unixSeconds: number, locale: string): string {
  return inUtc(unixSeconds, locale, { ...day, ...minute })
}

/** `3 Mar 2027`, by the calendar of UTC. */
export function utcDate(unixSeconds: number, locale: string): string {
  return inUtc(unixSeconds, locale, day)
}

/** `14:02:09` in UTC. */
export function utcClock(unixSeconds: number, locale: string): string {
  return inUtc(unixSeconds, locale, { ...minute, second: '2-digit' })
}

const units = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** `in 5 days`, `3 minutes ago`, whole units of the largest kind of which there are at least two. */
export function distance(unixSeconds: number, now: number, locale: string): string {
  const seconds = unixSeconds - now
  const [unit, size] = units.find(([, s]) => Math.abs(seconds) >= 2 * s) ?? units[3]
  return new Intl.RelativeTimeFormat(locale, { numeric: 'always' }).format(Math.trunc(seconds / size), unit)
}

/** The largest unit that divides a length well: `7 days`, `2 hours`. */
export function lengthParts(seconds: number): { unit: 'days' | 'hours' | 'minutes' | 'seconds'; count: number } {
  if (seconds >= 86_400 * 2 || (seconds >= 86_400 && seconds % 86_400 === 0))
    return { unit: 'days', count: Math.floor(seconds / 86_400) }
  if (seconds >= 7200 || (seconds >= 3600 && seconds % 3600 === 0)) return { unit: 'hours', count: Math.floor(seconds / 3600) }
  if (seconds >= 120 || (seconds >= 60 && seconds % 60 === 0)) return { unit: 'minutes', count: Math.floor(seconds / 60) }
  return { unit: 'seconds', count: Math.max(0, Math.floor(seconds)) }
}

/** `4:05` for countdowns and elapsed time; with hours where there are any. */
export function clockLength(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds))
  const pad = (n: number) => String(n).padStart(2, '0')
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)]
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(s % 60)}` : `${minutes}:${pad(s % 60)}`
}
