/** What moves a cursor or colours a screen: hosts are strangers, and what they say is only shown. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** One line on stdout. */
export function line(text: string): void {
  process.stdout.write(`${text.replaceAll(unseen, '?')}\n`)
}

/** Rows in columns; the first row names them. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  for (const row of rows) line(row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  '))
}
