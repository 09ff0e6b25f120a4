'use client'
import type { Purchase } from '@freehold/appliance/api/schemas/vms'
import Link from 'next/link'
import { useEffect, useState } from 'react'
import { useHost, useNow } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { clockLength, utcTime } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { CopyField } from '../ui/Copy.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { linkButton } from '../ui/link-button.ts'
import { Loading } from '../ui/Loading.tsx'
import { Notice } from '../ui/Notice.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'
import { phaseText } from '../vms/phase-text.ts'
import { ReadyDetails } from '../vms/ReadyDetails.tsx'
import { ProgressSteps } from './ProgressSteps.tsx'
import { RefundButton } from '../vms/RefundButton.tsx'

const settled = new Set<Purchase['state']>(['ready', 'rejected', 'failed'])

/** Signed, confirmed, preparing, ready (S6): all of it is the host's and the chain's; a reload shows the same (S7). */
export function PurchaseProgress({ hash, planId }: { hash: string; planId: string }) {
  const { t, locale } = useTexts()
  const { lost } = useHost()
  const now = useNow()
  const [everyMs, setEveryMs] = useState<number | undefined>(1000)
  const { data: purchase, error } = useResource(`purchase ${hash}`, (signal) => api.purchase(hash, signal), everyMs)
  const isSettled = purchase !== undefined && settled.has(purchase.state)
  useEffect(() => setEveryMs(isSettled ? undefined : 1000), [isSettled])
  const [unknownSince, setUnknownSince] = useState<number>()
  const unknown = purchase?.state === 'unknown'
  useEffect(() => setUnknownSince(unknown ? performance.now() : undefined), [unknown])

  if (purchase === undefined) {
    return error === undefined ? (
      <Loading>
        <Skeleton className="h-80 rounded-2xl" />
      </Loading>
    ) : (
      <ErrorBox error={error} />
    )
  }
  const phase = purchase.phase === null ? undefined : phaseText(purchase.phase, t)
  const slow = purchase.activationDeadline !== null && purchase.activationDeadline - now < 1800 && purchase.state === 'preparing'
  const unknownLong = unknown && unknownSince !== undefined && performance.now() - unknownSince > 10_000
  return (
    <div className="space-y-6">
      {purchase.state !== 'ready' && (
        <Card className="space-y-6">
          <ProgressSteps purchase={purchase} phase={phase} />
          <p className="tabular text-soft">{t('progress.elapsed', { time: clockLength(purchase.elapsedSeconds) })}</p>
          {!isSettled && !lost && !unknownLong && <p className="text-soft">{t('progress.closeTab')}</p>}
          {slow && purchase.activationDeadline !== null && (
            <Notice tone="warn" live>
              <p>{t('progress.slow', { time: utcTime(purchase.activationDeadline, locale) })}</p>
            </Notice>
          )}
          {unknownLong && (
            <Notice tone="warn" title={t('progress.unknown.title')} live>
              <p>{t('progress.unknown.text')}</p>
              <p>{t('progress.unknown.hint')}</p>
              <Link href="/my" className={linkButton}>
                {t('nav.my')}
              </Link>
            </Notice>
          )}
          {error !== undefined && !lost && <ErrorBox error={error} />}
          {purchase.state === 'rejected' && (
            <Notice tone="warn" title={t('progress.rejected.title')} live>
              <p>{t('progress.rejected.text')}</p>
              <Link href="/my" className={linkButton}>
                {t('nav.my')}
              </Link>
            </Notice>
          )}
          {purchase.state === 'refundable' && (
            <Notice tone="warn" title={t('progress.refundable.title')} live>
              <p>{t('progress.refundable.text')}</p>
              {purchase.vmId !== null && <RefundButton vmId={purchase.vmId} />}
            </Notice>
          )}
          {purchase.state === 'failed' && (
            <Notice tone="bad" title={t('progress.failed.title')} live>
              <p>{t('progress.failed.text')}</p>
            </Notice>
          )}
          {(purchase.state === 'failed' || unknownLong) && (
            <Link href={`/plans/${planId}`} className={linkButton}>
              {t('progress.again')}
            </Link>
          )}
          <CopyField label={t('progress.transaction')} value={hash} />
        </Card>
      )}
      {purchase.state === 'ready' && purchase.vmId !== null && (
        <>
          <Notice tone="good" title={t('progress.readyTitle')} live>
            <p>{t('progress.took', { time: clockLength(purchase.elapsedSeconds) })}</p>
          </Notice>
          <ReadyDetails vmId={purchase.vmId} transaction={hash} />
          <Card>
            <CardTitle>{t('progress.transaction')}</CardTitle>
            <div className="mt-3">
              <CopyField label={t('progress.transaction')} value={hash} />
            </div>
          </Card>
        </>
      )}
    </div>
  )
}
