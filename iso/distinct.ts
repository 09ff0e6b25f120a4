/** What two machines may never share (I1), by its name. */
export type Unique = Readonly<Record<string, string>>

/** Values that are in more than one row, or twice in one, and empty ones; the value itself is not told. */
export function sharedBetween(rows: Readonly<Record<string, Unique>>): string[] {
  const seen = new Map<string, string>()
  return Object.entries(rows).flatMap(([row, values]) =>
    Object.entries(values).flatMap(([name, value]) => {
      // a code is the same code however it is spaced
      const plain = value.replaceAll(/[\s:-]/g, '').toUpperCase()
      const here = `${name} of ${row}`
      const there = seen.get(plain)
      seen.set(plain, here)
      if (plain === '') return [`${here}: not seen`]
      return there === undefined ? [] : [`${here}: the same as ${there}`]
    }),
  )
}
