'use client'
import { useHost } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { PageHeading } from '../ui/Card.tsx'
import { Empty } from '../ui/Empty.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Loading } from '../ui/Loading.tsx'
import { Notice } from '../ui/Notice.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'
import { PlanCard } from './PlanCard.tsx'
import { Terms } from './Terms.tsx'

/** `/`: plans, prices and terms, readable without a wallet (S1). */
export function Storefront() {
  const { t } = useTexts()
  const { status } = useHost()
  const { data, error } = useResource('plans', api.plans, 15_000)
  const plans = data?.plans.filter((p) => p.kind === 'vm' || status?.wasm === true) ?? []
  return (
    <div className="space-y-12">
      <PageHeading title={t('store.title')} lead={t('store.lead')} />
      <noscript>{t('store.noJavaScript')}</noscript>
      {status?.storefront === 'closed' && (
        <Notice tone="warn" title={t('store.closed.title')}>
          <p>{status.closedBecause}</p>
        </Notice>
      )}
      {data?.buyingPaused === true && (
        <Notice tone="warn">
          <p>{t('store.paused')}</p>
        </Notice>
      )}
      <section aria-labelledby="plans" className="space-y-5">
        <h2 id="plans" className="text-2xl font-semibold tracking-tight">
          {t('store.plans')}
        </h2>
        {data === undefined && error !== undefined && <ErrorBox error={error} />}
        {data === undefined && error === undefined && (
          <Loading>
            <div className="grid gap-5 sm:grid-cols-2 lg:grid-cols-3">
              <Skeleton className="h-92 rounded-2xl" />
              <Skeleton className="h-92 rounded-2xl" />
            </div>
          </Loading>
        )}
        {data !== undefined && plans.length === 0 && <Empty title={t('store.empty.title')} text={t('store.empty.text')} />}
        {plans.length > 0 && (
          <ul className="grid gap-5 sm:grid-cols-2 lg:grid-cols-3">
            {plans.map((plan) => (
              <li key={`${plan.installation}/${plan.planId}`} className="flex">
                <PlanCard plan={plan} />
              </li>
            ))}
          </ul>
        )}
      </section>
      <Terms plans={plans} />
      {status !== undefined && status.notices.length > 0 && (
        <section aria-labelledby="notices" className="space-y-3">
          <h2 id="notices" className="text-xl font-semibold tracking-tight">
            {t('notice.title')}
          </h2>
          {status.notices.map((notice) => (
            <Notice key={notice.code} tone="warn">
              <p>{notice.title}</p>
            </Notice>
          ))}
        </section>
      )}
    </div>
  )
}
