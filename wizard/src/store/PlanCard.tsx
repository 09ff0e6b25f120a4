'use client'
import type { PlanView } from '@freehold/appliance/api/schemas/status'
import Link from 'next/link'
import { useTexts } from '../i18n/text-context.tsx'
import { About } from '../ui/About.tsx'
import { linkButton } from '../ui/link-button.ts'
import { isWasm, machineParts } from '../wasm/plan-text.ts'

/** One plan: what it is, what it costs, how many are left. */
export function PlanCard({ plan }: { plan: PlanView }) {
  const texts = useTexts()
  const { t, money } = texts
  const [first, ...others] = plan.prices
  const why = !plan.open
    ? { title: t('plan.closed'), reason: t('plan.closed.reason') }
    : plan.available === 0
      ? { title: t('plan.soldOut'), reason: t('plan.soldOut.reason', { capacity: plan.capacity }) }
      : undefined
  return (
    <article
      aria-labelledby={`plan-${plan.planId}`}
      className="flex w-full flex-col gap-6 rounded-2xl border border-line bg-card p-6"
    >
      <div>
        <h3 id={`plan-${plan.planId}`} className="text-lg font-semibold">
          <bdi>{plan.name}</bdi>
        </h3>
        {first !== undefined && (
          <p className="mt-3">
            <span className="tabular block text-2xl font-semibold tracking-tight">
              {t('plan.perDay', { amount: money(first.pricePerDay, first) })}
            </span>
            <About units={first.pricePerDay} token={first} />
            <span className="block min-h-6 text-soft">
              {others.map((p) => t('plan.perDayOr', { amount: money(p.pricePerDay, p) })).join(', ')}
            </span>
          </p>
        )}
      </div>
      <ul className="flex-1 space-y-2 border-t border-line pt-5" aria-label={t('plan.includes')}>
        {machineParts(plan, texts).map((part) => (
          <Included key={part}>{part}</Included>
        ))}
        {!isWasm(plan) && <Included>{t('plan.includes.os')}</Included>}
        {!isWasm(plan) && <Included>{t('plan.includes.ssh')}</Included>}
        {isWasm(plan) && <Included>{t('wasm.plan.receipts')}</Included>}
      </ul>
      {why === undefined ? (
        <div className="space-y-2">
          <Link href={`/plans/${plan.planId}`} className={`${linkButton} w-full`}>
            {t('plan.choose', { name: plan.name })}
          </Link>
          <p className="text-center text-sm text-soft">
            {t('plan.available', { count: plan.available, capacity: plan.capacity })}
          </p>
        </div>
      ) : (
        <div className="rounded-lg border border-dashed border-edge bg-sunk px-4 py-3">
          <p className="font-medium">{why.title}</p>
          <p className="text-sm text-soft">{why.reason}</p>
        </div>
      )}
    </article>
  )
}

function Included({ children }: { children: string }) {
  return (
    <li className="flex gap-2.5">
      <span aria-hidden="true" className="mt-2.5 size-1.5 shrink-0 rounded-full bg-brand" />
      {children}
    </li>
  )
}
