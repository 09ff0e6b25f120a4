'use client'
import type { SessionView } from '@freehold/appliance/api/schemas/sign-in'
import type { ReactNode } from 'react'
import { SignInBox } from './SignInBox.tsx'
import { useSession } from './session-context.tsx'

/** What only somebody signed in sees; all others see why to sign in, and `waiting` until it is known who they are. */
export function SignedIn(props: { why: string; waiting: ReactNode; children(session: SessionView): ReactNode }) {
  const { session } = useSession()
  if (session === undefined) return props.waiting
  if (session !== null) return props.children(session)
  return (
    <div className="max-w-2xl">
      <SignInBox why={props.why} />
    </div>
  )
}
