/** A picture of a screen: what `screendump` writes. */
export interface Picture {
  width: number
  height: number
  /** Three bytes a point, row by row. */
  points: Buffer
}

/** Throws for whatever is no whole PPM of three bytes a point. */
export function readPicture(file: Buffer): Picture {
  const [head = '', width, height] = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(file.subarray(0, 64).toString('latin1')) ?? []
  const picture = { width: Number(width), height: Number(height), points: file.subarray(head.length) }
  if (head === '' || picture.points.length !== picture.width * picture.height * 3) throw new Error('no whole picture')
  return picture
}

/**
 * What the machine's screen was drawn with last, out of its serial line: from its first line to the second one of the fingerprint.
 * Undefined before it was drawn once to its end.
 */
export function lastScreen(serial: string): string[] | undefined {
  const screen =
    /Freehold(?: [ █▀▄]*)?\n(?:(?!Freehold(?: [ █▀▄]*)?\n)[^])*?must be\n(?:[0-9A-F]{2}:){15}[0-9A-F]{2}\n(?:[0-9A-F]{2}:){15}[0-9A-F]{2}/g
  const [last] = [...serial.replaceAll(/\r+\n/g, '\n').matchAll(screen)].at(-1) ?? []
  return last?.split('\n').map((line) => line.trimEnd())
}

/** Cells of a character: the kernel's font on a frame buffer, the same in VGA's own text mode, its larger one on large screens. */
const cells = [
  [8, 16],
  [9, 16],
  [16, 32],
] as const

/** How much of the upper and the lower half of a cell is drawn, for what a QR code is made of. */
const halves: Record<string, [number, number]> = { ' ': [0, 0], '█': [1, 1], '▀': [1, 0], '▄': [0, 1] }

/**
 * Why the picture does not show these lines from its upper left corner on, or undefined if it does. No font is needed: the same
 * character must be the same cell everywhere and another one another, to the right edge of the picture, so a picture of other
 * words, of one other digit or of nothing is told apart by what its own characters look like elsewhere. Pure.
 */
export function screenDiffers(picture: Picture, lines: readonly string[]): string | undefined {
  const columns = Math.max(...lines.map((line) => line.length), 0)
  if (new Set(lines.join('').replaceAll(' ', '')).size < 16) return 'too few characters to tell a font by'
  const tried = cells.flatMap(([width, height]) =>
    columns * width > picture.width || lines.length * height > picture.height
      ? []
      : [{ cell: `${width}x${height}`, ...firstDifference(picture, lines, width, height) }],
  )
  if (tried.length === 0)
    return `${picture.width}x${picture.height} points have no room for ${columns}x${lines.length} characters`
  if (tried.some(({ why }) => why === undefined)) return undefined
  const { cell, row, why } = tried.toSorted((a, b) => b.row - a.row)[0] as (typeof tried)[0]
  return `read in cells of ${cell}: line ${row + 1}: ${why}`
}

function firstDifference(
  { width, points }: Picture,
  lines: readonly string[],
  cellWidth: number,
  cellHeight: number,
): { row: number; why: string | undefined } {
  const cellAt = (row: number, column: number): Buffer =>
    Buffer.concat(
      Array.from({ length: cellHeight }, (_, y) => {
        const from = ((row * cellHeight + y) * width + column * cellWidth) * 3
        return points.subarray(from, from + cellWidth * 3)
      }),
    )
  const [looks, means] = [new Map<string, string>(), new Map<string, string>()]
  for (const [row, line] of lines.entries()) {
    for (let column = 0; column < Math.floor(width / cellWidth); column += 1) {
      const character = line[column] ?? ' '
      const cell = cellAt(row, column)
      const look = cell.toString('latin1')
      const [known, meant] = [looks.get(character), means.get(look)]
      const at = `column ${column + 1}, where ${JSON.stringify(character)} belongs`
      if (meant !== undefined && meant !== character) return { row, why: `${at}, looks like ${JSON.stringify(meant)}` }
      if (known !== undefined && known !== look) return { row, why: `${at}, is drawn unlike the others` }
      if (known === undefined && !drawnAs(cell, halves[character])) return { row, why: `${at}, is not drawn so` }
      looks.set(character, look)
      means.set(look, character)
    }
  }
  return { row: lines.length, why: undefined }
}

/** Whether a block is one: fonts leave one row of sixteen to the other half. Points that are not black are drawn. */
function drawnAs(cell: Buffer, wanted: [number, number] | undefined): boolean {
  if (wanted === undefined) return cell.some((byte) => byte > 0)
  return wanted.every((share, half) => {
    const part = cell.subarray((half * cell.length) / 2, ((half + 1) * cell.length) / 2)
    const drawn = part.filter((byte) => byte > 0x40).length / part.length
    return share === 0 ? drawn < 0.2 : drawn > 0.7
  })
}
