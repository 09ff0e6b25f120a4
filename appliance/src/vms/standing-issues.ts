import type { UnixSeconds } from '../clock/clock.ts'

/** An issue as the loop finds it: its words are declared in `health/`. */
export interface StandingIssue {
  code: string
  /** A vmId, an installation, or `host`. */
  subject: string
  /** The value concerned, one sentence. */
  detail: string
  since: UnixSeconds
}

/** Issues by level: what a pass does not find again is gone; `since` stays at the first time. */
export class StandingIssues {
  #standing = new Map<string, StandingIssue>()

  /** Puts what stands now in the place of what stood. */
  replace(found: Iterable<Omit<StandingIssue, 'since'>>, now: UnixSeconds): void {
    const next = new Map<string, StandingIssue>()
    for (const issue of found) {
      const key = `${issue.code} ${issue.subject}`
      next.set(key, { ...issue, since: this.#standing.get(key)?.since ?? now })
    }
    this.#standing = next
  }

  list(): StandingIssue[] {
    return [...this.#standing.values()]
  }
}
