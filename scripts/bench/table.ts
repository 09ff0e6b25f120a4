import type { Row } from './row.ts'

const header = ['', 'MEASURED', 'GOAL', '']

/** The rows as aligned text, one a line, with a missed goal said in words. Empty for no rows. */
export function formatTable(rows: readonly Row[]): string {
  if (rows.length === 0) return ''
  const cells = [header, ...rows.map((r) => [r.name, `${r.value} ${r.unit}`, `≤ ${r.goal} ${r.unit}`, r.ok ? 'ok' : 'missed'])]
  const widths = header.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  const text = cells.map((line) =>
    line
      .map((cell, column) => {
        const width = widths[column] ?? 0
        // numbers end at one edge, so that they can be compared
        return column === 1 || column === 2 ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
  return `${text.join('\n')}\n`
}
