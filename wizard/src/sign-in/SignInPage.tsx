'use client'
import type { Approval } from '@freehold/appliance/api/schemas/sign-in'
import { useState } from 'react'
import { hasCode } from '../api/failure.ts'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { PageHeading } from '../ui/Card.tsx'
import { Empty } from '../ui/Empty.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Loading } from '../ui/Loading.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'
import { actOf, isTerminalOnly } from './act-words.ts'
import { Approve } from './Approve.tsx'
import { plainCode } from './plain-code.ts'
import { Outcome } from './Outcome.tsx'

/** `/s/[code]`: what is asked, and the answer. Opening it changes nothing; only the signature does (A9). */
export function SignInPage({ code }: { code: string }) {
  const { t } = useTexts()
  const plain = plainCode(code)
  const [approval, setApproval] = useState<Approval>()
  const [over, setOver] = useState(false)
  // why the host denied what was signed here: its page shows no reason to strangers, so only this page knows
  const [failure, setFailure] = useState<unknown>()
  const { data, error, reload } = useResource(
    `login ${plain}`,
    (signal) => api.loginRequest(plain, signal),
    over ? undefined : 2000,
  )
  // the host forgets a request some time after its end: what we knew of it, and that it is over, is still right
  const gone = hasCode(error, 'request-expired') || (over && data?.state === 'waiting')
  const view = data !== undefined && gone ? { ...data, state: 'expired' as const } : data

  if (view === undefined) {
    if (hasCode(error, 'not-found') || hasCode(error, 'bad-input') || hasCode(error, 'request-expired')) {
      return (
        <Empty
          level={1}
          title={t('signIn.gone.title')}
          text={`${t('signIn.gone.text', { code: code.slice(0, 12) })} ${t('signIn.again.shell')}`}
        />
      )
    }
    return (
      <div className="mx-auto max-w-2xl space-y-8">
        <PageHeading title={t('signIn.title')} />
        {error === undefined ? (
          <Loading>
            <Skeleton className="h-96 rounded-2xl" />
          </Loading>
        ) : (
          <ErrorBox error={error} />
        )}
      </div>
    )
  }
  const act = actOf(view)
  const open = view.state === 'waiting' && approval === undefined
  return (
    <div className="mx-auto max-w-2xl space-y-6">
      <PageHeading
        title={t(`signIn.act.${act}`)}
        lead={open ? t(isTerminalOnly(act) ? 'signIn.compare' : 'signIn.compare.other') : undefined}
      />
      {open ? (
        <Approve
          view={view}
          onApproved={(answer) => {
            setApproval(answer)
            reload()
          }}
          onFailed={setFailure}
          onDenied={reload}
          onExpired={() => {
            setOver(true)
            reload()
          }}
        />
      ) : (
        <Outcome view={view} approval={approval} failure={failure} onDenied={reload} />
      )}
    </div>
  )
}
