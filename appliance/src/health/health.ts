import type { Clock } from '../clock/clock.ts'
import type { IssueRepository, StoredIssue } from '../store/issues.ts'
import { declaredIssues } from './declared-issues.ts'
import type { HealthFacts } from './facts.ts'
import type { Issue, IssueDeclaration } from './issue.ts'

export interface HealthPorts {
  /** Gathers what the checks look at. May take a second; must not reject for a part that does not answer. */
  facts(): Promise<HealthFacts>
  issues: Pick<IssueRepository, 'raise' | 'clear' | 'list'>
  clock: Clock
  /** Told what is to be seen after each look; not waited for, must not reject. */
  tell?(issues: readonly Issue[]): Promise<void>
  /** For the log of the daemon. */
  log?: (line: string, cause?: unknown) => void
}

export interface Health {
  /** Looks once and raises or clears by level. */
  check(): Promise<void>
  /** What stands and is to be seen, worst first, then oldest. From memory. */
  current(): Issue[]
  /** Checks now and every `everySeconds` (15). */
  start(): void
  /** Looks again soon: something may have changed, or the clock was moved. */
  wake(): void
  stop(): Promise<void>
}

const order = { high: 0, medium: 1, low: 2 } as const

/** Declared issues, looked at in a loop; since when each stands survives a restart. */
export function createHealth(ports: HealthPorts, declarations = declaredIssues, everySeconds = 15): Health {
  const { clock, issues } = ports
  let standing: readonly StoredIssue[] = []
  const stopping = new AbortController()
  let woken = Promise.withResolvers<void>()
  let loop: Promise<void> | undefined

  async function check(): Promise<void> {
    const facts = await ports.facts()
    const found = declarations.flatMap((d) => d.check(facts).map((f) => ({ code: d.code, subject: f.subject, detail: f.detail })))
    const before = await issues.list()
    const key = (i: { code: string; subject: string }): string => `${i.code} ${i.subject}`
    const now = new Set(found.map(key))
    const known = new Map(before.map((i) => [key(i), i]))
    for (const issue of before) if (!now.has(key(issue))) await issues.clear(issue.code, issue.subject)
    for (const { code, subject, detail } of found) {
      if (known.get(`${code} ${subject}`)?.detail !== detail) await issues.raise(code, subject, detail)
    }
    standing = await issues.list()
  }

  async function forever(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers()
      try {
        await check()
        void ports.tell?.(visibleIssues(standing, declarations, clock.now()))
      } catch (error) {
        ports.log?.("the look at the host's health failed", error)
      }
      const early = new AbortController()
      await Promise.race([woken.promise, clock.wait(everySeconds * 1000, AbortSignal.any([stopping.signal, early.signal]))])
      early.abort()
    }
  }

  return {
    check,
    current: () => visibleIssues(standing, declarations, clock.now()),
    start: () => void (loop ??= forever()),
    wake: () => woken.resolve(),
    async stop() {
      stopping.abort()
      await loop
    },
  }
}

/** What is shown of what stands: old enough, and not explained by another one that is shown. Pure. */
export function visibleIssues<Facts>(
  standing: readonly Pick<StoredIssue, 'code' | 'subject' | 'detail' | 'since'>[],
  declarations: readonly IssueDeclaration<Facts>[],
  now: number,
): Issue[] {
  const byCode = new Map(declarations.map((d) => [d.code, d]))
  const ripe = standing.flatMap((issue) => {
    const declaration = byCode.get(issue.code)
    return declaration !== undefined && now - issue.since >= declaration.visibleAfterSeconds ? [{ issue, declaration }] : []
  })
  const codes = new Set(ripe.map(({ declaration }) => declaration.code))
  return ripe
    .filter(({ declaration }) => !declaration.hiddenBy.some((code) => codes.has(code)))
    .map(({ issue, declaration: { code, severity, title, effect, remedy } }) => ({
      code,
      subject: issue.subject,
      severity,
      title,
      effect: `${issue.detail} ${effect}`,
      remedy,
      since: issue.since,
    }))
    .toSorted((a, b) => order[a.severity] - order[b.severity] || a.since - b.since)
}
