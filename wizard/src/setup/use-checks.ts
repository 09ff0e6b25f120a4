'use client'
import { useEffect, useState } from 'react'
import { setupApi, type Check, type SectionName, type Value } from './resources.ts'

/** What the host found about the answers as they stand in the form now. */
export interface Checks {
  running: boolean
  found: readonly Check[]
}

const pauseMs = 500

/** Asks the host about what is typed, once typing pauses; never in the way of it (W8). `null`: nothing to ask yet. */
export function useChecks(name: SectionName, value: Value | null): Checks {
  const text = value === null ? null : JSON.stringify(value)
  const [state, setState] = useState<{ of: string | null; found: readonly Check[] }>({ of: null, found: [] })
  useEffect(() => {
    if (text === null) return undefined
    const abort = new AbortController()
    const timer = setTimeout(() => {
      setupApi.check(name, JSON.parse(text) as Value, abort.signal).then(
        ({ checks }) => setState({ of: text, found: checks }),
        // what the form itself finds wrong is told when it is saved
        () => abort.signal.aborted || setState({ of: text, found: [] }),
      )
    }, pauseMs)
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }, [name, text])
  return { running: text !== null && state.of !== text, found: state.of === text ? state.found : [] }
}
