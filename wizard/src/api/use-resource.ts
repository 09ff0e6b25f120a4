'use client'
import { useCallback, useEffect, useRef, useState } from 'react'
import { watchLink, readLink } from './link.ts'
import { hasCode } from './failure.ts'

/** What is known of something the host tells. Data outlive a lost link and failed reloads (X6). */
export interface Resource<T> {
  data: T | undefined
  /** The last failure; a lost link shows in the banner of the page once there are data. */
  error: unknown
  reload(): void
}

/**
 * Loads something, again every `everyMs`, and when the link comes back. `key` names it: another key starts anew;
 * null loads nothing.
 */
export function useResource<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, everyMs?: number): Resource<T> {
  const [state, setState] = useState<{ key: string | null; data: T | undefined; error: unknown }>({
    key,
    data: undefined,
    error: undefined,
  })
  const [turn, setTurn] = useState(0)
  const loadRef = useRef(load)
  useEffect(() => {
    loadRef.current = load
  })
  useEffect(() => {
    if (key === null) return undefined
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const run = async () => {
      clearTimeout(timer)
      let next = everyMs
      try {
        const data = await loadRef.current(abort.signal)
        if (abort.signal.aborted) return
        setState({ key, data, error: undefined })
      } catch (error) {
        if (abort.signal.aborted) return
        setState((s) => ({ key, data: s.key === key ? s.data : undefined, error }))
        if (hasCode(error, 'network')) next = Math.min(next ?? 2000, 2000)
      }
      if (next !== undefined) timer = setTimeout(() => void run(), next)
    }
    void run()
    const unwatch = watchLink(() => {
      if (!readLink().lost) void run()
    })
    return () => {
      abort.abort()
      clearTimeout(timer)
      unwatch()
    }
  }, [key, everyMs, turn])
  const reload = useCallback(() => setTurn((n) => n + 1), [])
  return state.key === key ? { data: state.data, error: state.error, reload } : { data: undefined, error: undefined, reload }
}
