'use client'
import type { LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { useCallback, useEffect, useRef, useState } from 'react'
import { hasCode } from '../api/failure.ts'
import { api, type Outcome } from '../api/resources.ts'
import { plainCode } from './plain-code.ts'

/** A sign-in that this browser asked for and another device answers. */
export interface Elsewhere {
  view: LoginRequestView | undefined
  outcome: Outcome | undefined
  error: unknown
  /** Asks; one that is open is refused first, so that no link stays alive behind the person's back. */
  begin(): Promise<void>
  /** Sends the reply code back. Throws as callApi does. */
  reply(code: string): Promise<void>
  /** Refuses what is open. */
  cancel(): void
}

/** Asks for `act` and follows the answer until it is approved, denied or over. `onApproved` is called once. */
export function useElsewhere(act: string, vmId: string | undefined, onApproved: (requestId: string) => void): Elsewhere {
  const [view, setView] = useState<LoginRequestView>()
  const [outcome, setOutcome] = useState<Outcome>()
  const [error, setError] = useState<unknown>()
  const approved = useRef(onApproved)
  useEffect(() => {
    approved.current = onApproved
  })
  const code = view && plainCode(view.code)
  const requestId = view?.requestId

  useEffect(() => {
    if (code === undefined || requestId === undefined) return undefined
    const abort = new AbortController()
    let settled = false
    const follow = async () => {
      let pause = 0
      while (!abort.signal.aborted) {
        try {
          const next = await api.outcome(code, 25, abort.signal)
          if (abort.signal.aborted) return
          setOutcome(next)
          settled = next.state !== 'waiting' && next.state !== 'needs-reply'
          if (next.state === 'approved') return approved.current(requestId)
          if (settled) return
          // the long poll ends at once while a reply code is awaited
          pause = next.state === 'needs-reply' ? 1500 : 0
        } catch (e) {
          if (abort.signal.aborted) return
          if (!hasCode(e, 'network')) return setError(e)
          pause = 2000
        }
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }
    void follow()
    return () => {
      abort.abort()
      // nobody waits for it any more: no link stays good behind the person's back
      if (!settled) void api.deny(code).catch(() => undefined)
    }
  }, [code, requestId])

  const cancel = useCallback(() => {
    setView(undefined)
    setOutcome(undefined)
    setError(undefined)
  }, [])
  const begin = useCallback(async () => {
    cancel()
    setView(await api.newLoginRequest(act, vmId))
  }, [act, vmId, cancel])
  const reply = useCallback(
    async (text: string) => {
      if (code === undefined || requestId === undefined) return
      const next = await api.reply(code, text)
      setOutcome(next)
    },
    [code, requestId],
  )
  return { view, outcome, error, begin, reply, cancel }
}
