'use client'
import { useEffect, type ReactNode } from 'react'
import { hasCode } from '../api/failure.ts'
import { useResource, type Resource } from '../api/use-resource.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { SignInBox } from '../session/SignInBox.tsx'
import { useSession } from '../session/session-context.tsx'
import { PageHeading } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Loading } from '../ui/Loading.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'

const leaving = ['not-allowed', 'vm-unknown', 'not-found']

/**
 * One page of the operator: heading, then its data, the skeleton before they come, or the error in their place (X3, X4). What
 * the host refuses is taken off the page at once. `behind` names the call that the page makes (O11).
 */
export function OperatorPage<T>({
  title,
  lead,
  aside,
  behind,
  name,
  load,
  everyMs,
  children,
}: {
  title: ReactNode
  lead?: ReactNode
  aside?: ReactNode
  behind: { api: string; cli?: string }
  name: string
  load(signal: AbortSignal): Promise<T>
  everyMs?: number
  children(data: T, resource: Resource<T>): ReactNode
}) {
  const { t } = useTexts()
  const { session, forget } = useSession()
  const resource = useResource(session == null ? null : `${name} ${session.sessionId}`, load, everyMs)
  const { data, error } = resource
  useEffect(() => {
    if (hasCode(error, 'not-signed-in')) forget()
  }, [error, forget])
  const refused = leaving.some((code) => hasCode(error, code))
  return (
    <div className="space-y-6">
      <PageHeading title={title} lead={lead}>
        {aside}
      </PageHeading>
      {refused || (data === undefined && error !== undefined) ? (
        <>
          <ErrorBox error={error} />
          {refused && hasCode(error, 'not-allowed') && <SignInBox why={t('operator.signedOut')} />}
        </>
      ) : data === undefined ? (
        <Loading>
          <Skeleton className="h-72 rounded-2xl" />
        </Loading>
      ) : (
        children(data, resource)
      )}
      <Behind {...behind} />
    </div>
  )
}

/** The API call and, where there is one, the CLI line behind a page (O11). */
function Behind({ api, cli }: { api: string; cli?: string }) {
  const { t } = useTexts()
  return (
    <p className="flex flex-wrap gap-x-4 gap-y-1 border-t border-line pt-3 text-sm text-soft">
      <span>
        {t('operator.behind.api')} <code className="font-mono">{api}</code>
      </span>
      {cli !== undefined && (
        <span>
          {t('operator.behind.cli')} <code className="font-mono">{cli}</code>
        </span>
      )}
    </p>
  )
}
