import type { UnixSeconds } from '../clock/clock.ts'

export type Severity = 'low' | 'medium' | 'high'

/** Something that stands: what it is about and the value concerned, one sentence. */
export interface Finding {
  /** A vmId, an installation, or `host`. */
  subject: string
  detail: string
}

/** A declared issue: its words and how to see it. It is raised and cleared by level: whoever checks again, knows. */
export interface IssueDeclaration<Facts> {
  /** Stable, kebab-case. */
  code: string
  severity: Severity
  title: string
  /** What it means for people, one or two sentences; the detail of the finding stands in front. */
  effect: string
  /** What to do. */
  remedy: string
  /** How long it must stand before anybody sees it: a hiccup is no issue. */
  visibleAfterSeconds: number
  /** Issues that explain this one; while one of them is visible this one is not shown. */
  hiddenBy: readonly string[]
  /** All that stands now. Pure: facts in, findings out. */
  check(facts: Facts): readonly Finding[]
}

/** An issue that stands and is shown. The API sends the same shape. */
export interface Issue {
  code: string
  subject: string
  severity: Severity
  title: string
  effect: string
  remedy: string
  since: UnixSeconds
}

/** Holds the types of a declaration together, and names its code once. */
export function defineIssue<Facts>(declaration: IssueDeclaration<Facts>): IssueDeclaration<Facts> {
  return declaration
}
