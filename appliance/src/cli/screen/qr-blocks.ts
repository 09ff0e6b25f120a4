import { create } from 'qrcode'

/** Light modules around the code; the standard wants four, readers make do with two. */
const quiet = 2

/**
 * A QR code as lines of half blocks, two modules above each other in one character. Light modules are drawn and dark ones left
 * out, so it stays dark on light on a black screen (X16); all characters are in code page 437. Undefined if it is larger than
 * `columns` × `rows` characters.
 */
export function qrBlocks(text: string, columns: number, rows: number): string[] | undefined {
  const { modules } = create(text, { errorCorrectionLevel: 'L' })
  const size = modules.size + 2 * quiet
  if (size > columns || Math.ceil(size / 2) > rows) return undefined
  const isLight = (row: number, column: number): boolean => {
    const [y, x] = [row - quiet, column - quiet]
    if (y < 0 || x < 0 || y >= modules.size || x >= modules.size) return row < size
    return modules.get(y, x) === 0
  }
  return Array.from({ length: Math.ceil(size / 2) }, (_, line) =>
    Array.from({ length: size }, (__, column) => {
      const [upper, lower] = [isLight(line * 2, column), isLight(line * 2 + 1, column)]
      return upper && lower ? '█' : upper ? '▀' : lower ? '▄' : ' '
    }).join(''),
  )
}
