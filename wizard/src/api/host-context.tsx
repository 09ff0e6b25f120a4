'use client'
import type { Status } from '@freehold/appliance/api/schemas/status'
import {
  createContext,
  use,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
  type ReactNode,
} from 'react'
import { readLink, watchLink } from './link.ts'
import { api } from './resources.ts'
import { useResource } from './use-resource.ts'
import { plainName } from '../format/plain-name.ts'

/** The host as the page knows it: its status, its clock, and whether it answers. */
export interface Host {
  status: Status | undefined
  error: unknown
  lost: boolean
  /** The host's time in whole seconds, counted on from its last answer; undefined before the first. */
  now(): number | undefined
}

const HostContext = createContext<Host | undefined>(undefined)
const servedLink = { lost: false, answeredAt: 0 }

/** Asks the host how it is, every 10 s. */
export function HostProvider({ children }: { children: ReactNode }) {
  const answeredAt = useRef(0)
  const { data: status, error } = useResource(
    'status',
    async (signal) => {
      const answer = await api.status(signal)
      answeredAt.current = performance.now()
      return { ...answer, chain: { ...answer.chain, name: plainName(answer.chain.name) } }
    },
    10_000,
  )
  const { lost } = useSyncExternalStore(watchLink, readLink, () => servedLink)
  const base = status?.now
  const now = useCallback(
    () => (base === undefined ? undefined : base + Math.floor((performance.now() - answeredAt.current) / 1000)),
    [base],
  )
  const host = useMemo(() => ({ status, error, lost, now }), [status, error, lost, now])
  return <HostContext value={host}>{children}</HostContext>
}

export function useHost(): Host {
  const host = use(HostContext)
  if (host === undefined) throw new TypeError('useHost needs a HostProvider above it')
  return host
}

/** The host's time, drawn anew every second; 0 before its first answer. Never the browser's own clock. */
export function useNow(): number {
  const { now } = useHost()
  const [, tick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000)
    return () => clearInterval(timer)
  }, [])
  return now() ?? 0
}
