/** What a test runner's output says. `skipped` holds names. */
export interface Counts {
  passed: number
  failed: number
  skipped: string[]
  /** Names of what passed at the second try only; counted as passed. */
  unsteady?: string[]
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

interface PlaywrightSuite {
  file: string
  suites?: PlaywrightSuite[]
  specs?: { title: string; tests: { status: string; results: { duration: number }[] }[] }[]
}
interface PlaywrightReport {
  stats: { expected: number; unexpected: number; flaky: number; skipped: number }
  suites?: PlaywrightSuite[]
}

const playwrightReport = (output: string): PlaywrightReport =>
  JSON.parse(output.slice(output.indexOf('{\n  "config"'), output.lastIndexOf('}') + 1)) as PlaywrightReport

const msOf = ({ suites = [], specs = [] }: PlaywrightSuite): number =>
  suites.reduce((sum, suite) => sum + msOf(suite), 0) +
  specs.flatMap(({ tests }) => tests.flatMap(({ results }) => results)).reduce((sum, { duration }) => sum + duration, 0)

const flakyIn = ({ file, suites = [], specs = [] }: PlaywrightSuite): string[] => [
  ...suites.flatMap(flakyIn),
  ...specs.filter(({ tests }) => tests.some(({ status }) => status === 'flaky')).map(({ title }) => `${file} › ${title}`),
]

/** Seconds of each file in Playwright's JSON report, by its path from the root of the tree; none where it cannot be read. */
export function secondsByFile(output: string): { file: string; seconds: number }[] {
  try {
    return (playwrightReport(output).suites ?? []).map((suite) => ({
      file: `testing/e2e/${suite.file}`,
      seconds: msOf(suite) / 1000,
    }))
  } catch {
    return []
  }
}

/** Playwright's JSON reporter: the `stats` object. */
export function countPlaywright(output: string): Counts {
  try {
    const { stats, suites = [] } = playwrightReport(output)
    return {
      passed: stats.expected + stats.flaky,
      failed: stats.unexpected,
      unsteady: suites.flatMap(flakyIn),
      skipped: Array.from({ length: stats.skipped }, (_, i) => `browser test ${i + 1}`),
    }
  } catch {
    return { passed: 0, failed: 1, skipped: [] }
  }
}
