import { CronTime } from 'cron'

/** True for five fields that cron understands. */
export function isSchedule(text: string): boolean {
  try {
    return text.trim().split(/\s+/).length === 5 && new CronTime(text, 'UTC').getNextDateFrom(new Date(0), 'UTC').isValid
  } catch {
    return false
  }
}

/** The first time after `after`, in Unix seconds; the schedule is in UTC. Throws for what `isSchedule` refuses. */
export function nextAfter(text: string, after: number): number {
  return Math.floor(new CronTime(text, 'UTC').getNextDateFrom(new Date(after * 1000), 'UTC').toMillis() / 1000)
}
