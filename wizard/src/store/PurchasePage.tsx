'use client'
import { useSearchParams } from 'next/navigation'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { PageHeading } from '../ui/Card.tsx'
import { Empty } from '../ui/Empty.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Loading } from '../ui/Loading.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'
import { BuyForm } from './BuyForm.tsx'
import { PurchaseProgress } from './PurchaseProgress.tsx'

/** `/plans/[id]`: choose, review, pay, watch. The URL is the state: `days`, `token`, `to`, and `tx` once it is paid (X10). */
export function PurchasePage({ id }: { id: string }) {
  const { t } = useTexts()
  const transaction = useSearchParams().get('tx')
  const { data, error } = useResource('plans', api.plans, 15_000)
  const plan = data?.plans.find((p) => String(p.planId) === id && p.kind === 'vm')

  if (transaction !== null && /^0x[0-9a-fA-F]{64}$/.test(transaction)) {
    return (
      <div className="mx-auto max-w-2xl space-y-8">
        <PageHeading title={t('progress.title')} lead={plan === undefined ? undefined : <bdi>{plan.name}</bdi>} />
        <PurchaseProgress hash={transaction.toLowerCase()} planId={id} />
      </div>
    )
  }
  if (data === undefined) {
    return (
      <div className="mx-auto max-w-2xl space-y-8">
        {error === undefined ? (
          <Loading>
            <h1 className="sr-only">{t('buy.title', { plan: `#${id.slice(0, 12)}` })}</h1>
            <Skeleton className="h-12 max-w-80" />
            <Skeleton className="mt-8 h-96 rounded-2xl" />
          </Loading>
        ) : (
          <>
            <PageHeading title={t('buy.title', { plan: `#${id.slice(0, 12)}` })} />
            <ErrorBox error={error} />
          </>
        )}
      </div>
    )
  }
  if (plan === undefined) {
    return (
      <Empty
        level={1}
        title={t('buy.unknown.title')}
        text={t('buy.unknown.text', { id: id.slice(0, 12) })}
        action={{ href: '/', label: t('notFound.home') }}
      />
    )
  }
  return (
    <div className="mx-auto max-w-2xl space-y-8">
      <PageHeading title={t('buy.title', { plan: plan.name })} />
      <BuyForm plan={plan} paused={data.buyingPaused} />
    </div>
  )
}
