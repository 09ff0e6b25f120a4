'use client'
import { useState } from 'react'
import { usePress } from '../ui/use-press.ts'

/** Older pages of a list, fetched one by one below the newest. */
export interface MorePages<T> {
  older: readonly T[]
  /** Null once the end is reached. */
  cursor: string | null
  busy: boolean
  error: unknown
  more(): void
}

/** Keeps what was fetched below the first page; `first` is its cursor. */
export function useMorePages<T>(
  first: string | null,
  load: (cursor: string) => Promise<{ items: readonly T[]; nextCursor: string | null }>,
): MorePages<T> {
  const [state, setState] = useState<{ older: readonly T[]; cursor: string | null | undefined }>({ older: [], cursor: undefined })
  const { busy, error, press } = usePress()
  const cursor = state.cursor === undefined ? first : state.cursor
  function fetchMore() {
    if (cursor === null) return
    press(async () => {
      const page = await load(cursor)
      setState((s) => ({ older: [...s.older, ...page.items], cursor: page.nextCursor }))
    })
  }
  return { older: state.older, cursor, busy, error, more: fetchMore }
}
