/** What a test runner's output says. `skipped` holds names. */
export interface Counts {
  passed: number
  failed: number
  skipped: string[]
}

const number = (text: string | undefined) => Number(text ?? '0')

/** TAP lines at any depth that are leaves: `ok`, `not ok`, `# SKIP`. For our own small runners. */
export function countTap(output: string): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: [] }
  for (const [, not, name = ''] of output.matchAll(/^\s*(not )?ok\b(.*)$/gm)) {
    if (/# SKIP/i.test(name)) counts.skipped.push(name.trim())
    else if (not === undefined) counts.passed += 1
    else counts.failed += 1
  }
  return counts
}

/** node:test's TAP reporter: the totals it prints itself, which count leaves only; skips by name. */
export function countNodeTest(output: string): Counts {
  const last = (word: string) => number([...output.matchAll(new RegExp(`^# ${word} (\\d+)$`, 'gm'))].at(-1)?.[1])
  const skipped = [...output.matchAll(/^\s*ok \d+ - (.*) # SKIP/gm)].map((m) => m[1] ?? '')
  return { passed: last('pass'), failed: last('fail') + last('cancelled'), skipped }
}

/** forge's closing line: `Ran 5 test suites …: 120 tests passed, 0 failed, 0 skipped`. */
export function countForge(output: string): Counts {
  const match = /(\d+) tests passed, (\d+) failed, (\d+) skipped/.exec(output)
  return {
    passed: number(match?.[1]),
    failed: number(match?.[2]),
    skipped: Array.from({ length: number(match?.[3]) }, (_, i) => `forge test ${i + 1}`),
  }
}

/** For a tier of both: forge writes no TAP, and our own runners nothing like forge's closing line. */
export function countForgeOrTap(output: string): Counts {
  const [forge, tap] = [countForge(output), countTap(output)]
  return {
    passed: forge.passed + tap.passed,
    failed: forge.failed + tap.failed,
    skipped: [...forge.skipped, ...tap.skipped],
  }
}

/** Playwright's JSON reporter: the `stats` object. */
export function countPlaywright(output: string): Counts {
  const start = output.indexOf('{\n  "config"')
  const end = output.lastIndexOf('}')
  try {
    const { stats } = JSON.parse(output.slice(start, end + 1)) as {
      stats: { expected: number; unexpected: number; flaky: number; skipped: number }
    }
    return {
      passed: stats.expected,
      failed: stats.unexpected + stats.flaky,
      skipped: Array.from({ length: stats.skipped }, (_, i) => `browser test ${i + 1}`),
    }
  } catch {
    return { passed: 0, failed: 1, skipped: [] }
  }
}
