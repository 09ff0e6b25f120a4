'use client'
import type { LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { useEffect, useRef, useState } from 'react'

/** Whole seconds until a request expires, counted from the host's `now`, never from this browser's clock (A9). */
export function useSecondsLeft(view: LoginRequestView): number {
  const received = useRef({ now: view.now, at: performance.now() })
  const [, tick] = useState(0)
  useEffect(() => {
    received.current = { now: view.now, at: performance.now() }
  }, [view.now])
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 500)
    return () => clearInterval(timer)
  }, [])
  const now = received.current.now + (performance.now() - received.current.at) / 1000
  return Math.max(0, Math.ceil(Date.parse(view.expiresAt) / 1000 - now))
}
