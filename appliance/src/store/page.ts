/** A page of rows, newest first. `nextCursor` is opaque; null on the last page. */
export interface Page<T> {
  items: T[]
  nextCursor: string | null
}

export interface PageQuery {
  cursor?: string | null | undefined
  /** 1…200, default 50. */
  limit?: number | undefined
}

/** Reads a page by a growing `seq`. A cursor that is none of ours starts at the newest. */
export async function pageBySeq<Row extends { seq: number }, T>(
  query: PageQuery,
  read: (below: number, take: number) => Promise<Row[]>,
  map: (row: Row) => T,
): Promise<Page<T>> {
  const limit = Math.min(Math.max(query.limit ?? 50, 1), 200)
  const cursor = query.cursor ?? ''
  const below = /^[1-9][0-9]{0,8}$/.test(cursor) ? Number(cursor) : 2 ** 31 - 1
  const rows = await read(below, limit + 1)
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return { items: shown.map(map), nextCursor: rows.length > limit && last !== undefined ? String(last.seq) : null }
}
