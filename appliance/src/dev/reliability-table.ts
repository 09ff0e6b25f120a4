import { readFileSync } from 'node:fs'

/** One line of the table in `appliance/RELIABILITY.md`. */
export interface ReliabilityRow {
  /** Kebab-case, unique. */
  id: string
  fault: string
  answer: string
  /** `path › title` of each test, from the root of the repository. */
  tests: readonly { path: string; title: string }[]
  /** What a person must do. */
  person: string
}

/** The rows of the table: every line that begins with a cell of one kebab-case id in backquotes. Throws on a line without five cells. */
export function reliabilityRows(markdown: string): ReliabilityRow[] {
  return markdown
    .split('\n')
    .filter((line) => /^\| `[a-z0-9-]+` \|/.test(line))
    .map((line) => {
      const cells = line
        .replace(/^\||\|$/g, '')
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim())
      const [id, fault, answer, tests, person] = cells
      if (cells.length !== 5 || !id || !fault || !answer || !tests || !person) throw new Error(`not five filled cells: ${line}`)
      return { id: id.replaceAll('`', ''), fault, answer, tests: namedTests(tests), person }
    })
}

function namedTests(cell: string): ReliabilityRow['tests'] {
  return cell.split('<br>').map((part) => {
    const match = /^`([^`]+)` › (.+)$/.exec(part.trim())
    if (match?.[1] === undefined || match[2] === undefined) throw new Error(`not "\`path\` › title": ${part}`)
    return { path: match[1], title: match[2].replace(/ \(`--all`\)$/, '').trim() }
  })
}

/**
 * The rows that a test file claims: `reliability('<row>', '<title>'`, or in a loop over a table of this file whose entries have
 * `row` and `title`; or by a suite whose options have `row` and `title: (job) => …`. Of a title with further `${…}` these are shown as `…`.
 */
export function claimedRows(source: string): { row: string; title: string }[] {
  const literal = String.raw`(?:'((?:[^'\\]|\\.)*)'|\`([^\`]*)\`|"([^"]*)")`
  const direct = source.matchAll(new RegExp(String.raw`\breliability\(\s*'([a-z0-9-]+)',\s*${literal}`, 'g'))
  const looped = source.matchAll(/of (\w+)\) \{\s*reliability\(row, `([^`]*)`/g)
  // a suite over a list of jobs: one title for all, the job shown as `…`
  const suites = source.matchAll(/\w+Suite\([^]*?\brow: '([a-z0-9-]+)',[^]*?\btitle: \(\w+\) => `([^`]*)`/g)
  return [
    ...[...suites].map(([, row = '', title = '']) => ({ row, title: shownTitle(title) })),
    ...[...direct].map(([, row = '', ...titles]) => ({ row, title: shownTitle(firstOf(titles)) })),
    ...[...looped].flatMap(([, table = '', template = '']) =>
      entriesOf(source, table, literal).map(({ row, title }) => ({
        row,
        title: shownTitle(template.replaceAll('${title}', () => title)),
      })),
    ),
  ]
}

function entriesOf(source: string, table: string, literal: string): { row: string; title: string }[] {
  const start = source.search(new RegExp(String.raw`const ${table}\b[^=]*= \[`))
  const end = source.indexOf('\n]', start)
  const rows = source.slice(start, end).matchAll(new RegExp(String.raw`\brow: '([a-z0-9-]+)'[\s\S]*?\btitle: ${literal}`, 'g'))
  return [...rows].map(([, row = '', ...titles]) => ({ row, title: firstOf(titles) }))
}

function firstOf(titles: readonly (string | undefined)[]): string {
  return titles.find((title) => title !== undefined) ?? ''
}

function shownTitle(text: string): string {
  return text.replaceAll("\\'", "'").replaceAll(/\$\{[^}]*\}/g, '…')
}

export function readText(path: string): string {
  return readFileSync(path, 'utf8')
}
