'use client'
import Link from 'next/link'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { SignInBox } from '../session/SignInBox.tsx'
import { useSession } from '../session/session-context.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { linkButton } from '../ui/link-button.ts'
import { Loading } from '../ui/Loading.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'
import { isWasm } from '../wasm/plan-text.ts'
import { WasmLink } from '../wasm/WasmLink.tsx'
import { Connect } from './Connect.tsx'
import { ReceiptButton } from './Receipt.tsx'

/** The ready page: how to log in, for whoever signs in as the holder (S9, S10). */
export function ReadyDetails({ vmId, transaction }: { vmId: string; transaction: string }) {
  const { t } = useTexts()
  const { session } = useSession()
  const { data: vm, error } = useResource(
    session == null ? null : `ready ${vmId} ${session.sessionId}`,
    (signal) => api.vm(vmId, signal),
    5000,
  )
  if (session === null) return <SignInBox why={t('progress.signInForDetails')} />
  if (vm === undefined) {
    return error === undefined ? (
      <Loading>
        <Skeleton className="h-96 rounded-2xl" />
      </Loading>
    ) : (
      <ErrorBox error={error} />
    )
  }
  return (
    <div className="space-y-6">
      {isWasm(vm) ? <WasmLink /> : <Connect vm={vm} />}
      <div className="flex flex-wrap items-start gap-3">
        <Link href={`/vms/${vm.vmId}`} className={linkButton}>
          {t('my.manage', { name: vm.hostname })}
        </Link>
        <ReceiptButton vm={vm} transaction={transaction} />
      </div>
    </div>
  )
}
