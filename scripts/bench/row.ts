/** One line of the table. `value` and `goal` are in `unit`; the goal is an upper bound. */
export interface Row {
  name: string
  value: number
  unit: string
  goal: number
  ok: boolean
}

/** Something to measure; one file each in `rows/`. */
export interface Bench {
  /** For `--only`, kebab-case. */
  id: string
  /** One line for `--help`. */
  about: string
  /** Left out by `--quick`. */
  slow: boolean
  /** Measures; several rows where one run gives them. Throws AppError with a remedy if something is missing. */
  run(report: (line: string) => void): Promise<Row[]>
}

/** A row with its verdict: the goal itself still meets it. `digits` behind the point, default 2. */
export function row(name: string, value: number, unit: string, goal: number, digits = 2): Row {
  const scale = 10 ** digits
  return {
    name,
    value: Math.round(value * scale) / scale,
    unit,
    goal: Math.round(goal * scale) / scale,
    ok: value <= goal,
  }
}

/** The middle value; of an even number the upper one. Throws on none: nothing was measured. */
export function median(values: readonly number[]): number {
  const middle = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
  if (middle === undefined) throw new Error('no value to take the median of')
  return middle
}
