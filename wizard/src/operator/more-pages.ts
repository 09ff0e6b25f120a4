'use client'
import { useState } from 'react'

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
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const cursor = state.cursor === undefined ? first : state.cursor
  async function fetchMore() {
    if (cursor === null) return
    setBusy(true)
    setError(undefined)
    try {
      const page = await load(cursor)
      setState((s) => ({ older: [...s.older, ...page.items], cursor: page.nextCursor }))
    } catch (e) {
      setError(e)
    } finally {
      setBusy(false)
    }
  }
  return { older: state.older, cursor, busy, error, more: () => void fetchMore() }
}
