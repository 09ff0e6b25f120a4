'use client'
import { useState } from 'react'

/** The work behind a press; it may say what it is at, where the page tells more than that it goes on. */
export type Work<At> = (now: (at: At) => void) => Promise<unknown>

/** One press at a time: whether its work goes on, where it is, and what went wrong the last time. */
export interface Press<At> {
  busy: boolean
  /** What the work under way is at: the word that the press was given, or that the work has said since. */
  at: At | undefined
  /** Of the last press; undefined again as soon as the next one begins. */
  error: unknown
  /** Begins the work. Never throws: see `error`. */
  press(work: Work<At>, at?: At): void
  /** The same, awaited: true if the work came to its end. */
  run(work: Work<At>, at?: At): Promise<boolean>
  /** Takes the error off the page. */
  clear(): void
}

/** What every button needs that waits for something. `onError` hears what `error` becomes, also that it is gone. */
export function usePress<At = string>(onError?: (error: unknown) => void): Press<At> {
  const [under, setUnder] = useState<{ at: At | undefined }>()
  const [error, setError] = useState<unknown>()
  function tell(e: unknown) {
    setError(e)
    onError?.(e)
  }
  async function run(work: Work<At>, at?: At): Promise<boolean> {
    setUnder({ at })
    tell(undefined)
    try {
      await work((next) => setUnder({ at: next }))
      return true
    } catch (e) {
      tell(e)
      return false
    } finally {
      setUnder(undefined)
    }
  }
  return {
    busy: under !== undefined,
    at: under?.at,
    error,
    press: (work, at) => void run(work, at),
    run,
    clear: () => tell(undefined),
  }
}
