'use client'
import type { SessionView } from '@freehold/appliance/api/schemas/sign-in'
import { createContext, use, useCallback, useMemo, useState, type ReactNode } from 'react'
import { PageFailure, hasCode } from '../api/failure.ts'
import { useHost } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import type { ConnectedWallet } from '../wallet/wallet-context.tsx'

/** Who this browser has proved to be. It proves an address, nothing else: the host looks rights up at every call. */
export interface SessionState {
  /** `undefined` while it is being asked. */
  session: SessionView | null | undefined
  error: unknown
  /** Signs and opens a session. Throws PageFailure or HostFailure. */
  signIn(wallet: ConnectedWallet): Promise<void>
  /** Opens a session under a request that this browser asked for and another device approved. Throws as callApi does. */
  open(requestId: string): Promise<void>
  signOut(): Promise<void>
  /** To be called when the host answers `not-signed-in` after all. */
  forget(): void
}

const memory = 'freehold-signed-in'
const SessionContext = createContext<SessionState | undefined>(undefined)

export function SessionProvider({ children }: { children: ReactNode }) {
  const [own, setOwn] = useState<SessionView | null>()
  const { status } = useHost()
  // a demo signs its visitors in by itself
  const demo = status?.notices.some((notice) => notice.code === 'demo') === true
  // until the host has said whether it is one, nobody without a note of a former sign-in is taken for signed out
  const noted = typeof localStorage !== 'undefined' && localStorage.getItem(memory) !== null
  const { data, error } = useResource(noted || status !== undefined ? `sessions ${demo}` : null, async (signal) => {
    // the cookie itself cannot be seen; without this note of a former sign-in there is none to ask for
    if (localStorage.getItem(memory) === null && !demo) return null
    try {
      return (await api.sessions(signal)).find((s) => s.current) ?? null
    } catch (e) {
      if (hasCode(e, 'not-signed-in')) return null
      throw e
    }
  })
  const session = own === undefined ? data : own
  const open = useCallback(async (requestId: string) => {
    const opened = await api.newSession(requestId)
    localStorage.setItem(memory, opened.sessionId)
    setOwn(opened)
  }, [])
  const signIn = useCallback(
    async (wallet: ConnectedWallet) => {
      // what makes and checks the text comes with the first signature, not with the first page
      const { signAct } = await import('../sign-in/sign.ts')
      const { requestId, approval } = await signAct(wallet, 'session')
      if (approval.state !== 'approved') throw new PageFailure('reply')
      await open(requestId)
    },
    [open],
  )
  const id = session?.sessionId
  const signOut = useCallback(async () => {
    if (id !== undefined) await api.endSession(id)
    localStorage.removeItem(memory)
    setOwn(null)
  }, [id])
  const forget = useCallback(() => {
    localStorage.removeItem(memory)
    setOwn(null)
  }, [])
  const state = useMemo(
    () => ({ session, error, signIn, open, signOut, forget }),
    [session, error, signIn, open, signOut, forget],
  )
  return <SessionContext value={state}>{children}</SessionContext>
}

export function useSession(): SessionState {
  const state = use(SessionContext)
  if (state === undefined) throw new TypeError('useSession needs a SessionProvider above it')
  return state
}
