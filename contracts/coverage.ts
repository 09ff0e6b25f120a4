// Compares a coverage report (lcov) with uncovered.txt, whose lines read `file: source line — reason`. Prints TAP.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const report = readFileSync(process.argv[2] ?? '', 'utf8')
const known = new Map<string, string>(
  readFileSync(join(import.meta.dirname, 'uncovered.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line): [string, string] => {
      const [place = '', reason = ''] = line.split(' — ')
      return [place, reason]
    }),
)
const uncovered = new Set<string>()
const files: string[] = []
for (const record of report.split('end_of_record')) {
  const file = /^SF:(.*)$/m.exec(record)?.[1]
  if (file === undefined || !/(^|\/)src\/[^/]*\.sol$/.test(file)) continue
  const name = file.slice(file.lastIndexOf('/') + 1)
  const source = readFileSync(join(import.meta.dirname, 'src', name), 'utf8').split('\n')
  const lines = [...record.matchAll(/^DA:(\d+),(\d+)/gm)].map(([, line, hits]) => ({ line: Number(line), hit: hits !== '0' }))
  const hit = lines.filter((line) => line.hit).length
  files.push(`${name.padEnd(20)} ${hit} of ${lines.length} lines`)
  for (const { line } of lines.filter((l) => !l.hit)) uncovered.add(`${name}: ${source[line - 1]?.trim() ?? ''}`)
}
const unnamed = [...uncovered].filter((place) => (known.get(place) ?? '') === '')
const covered = [...known.keys()].filter((place) => !uncovered.has(place))
for (const file of files) process.stdout.write(`# ${file}\n`)
for (const [place, reason] of known) process.stdout.write(`# not run: ${place} — ${reason}\n`)
for (const place of unnamed) process.stderr.write(`no test runs this, and uncovered.txt gives no reason: ${place}\n`)
for (const place of covered) process.stderr.write(`uncovered.txt names a line that tests run, or that is gone: ${place}\n`)
const checks: [boolean, string][] = [
  [files.length === globSync(join(import.meta.dirname, 'src/*.sol')).length, `all files of src/ were measured (${files.length})`],
  [unnamed.length === 0, 'every line that no test runs is named with its reason'],
  [covered.length === 0, 'no line is named that tests run'],
]
checks.forEach(([ok, what], i) => process.stdout.write(`${ok ? 'ok' : 'not ok'} ${i + 1} - ${what}\n`))
process.exitCode = checks.every(([ok]) => ok) ? 0 : 1
