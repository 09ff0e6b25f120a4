'use client'
import type { Host } from '@freehold/appliance/api/schemas/operator'
import type { PlanView } from '@freehold/appliance/api/schemas/status'
import { useState } from 'react'
import { api, type Plans } from '../api/resources.ts'
import { exactAmount } from '../format/money.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { Facts } from '../ui/Facts.tsx'
import { TextField } from '../ui/Field.tsx'
import { Badge, Notice } from '../ui/Notice.tsx'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { machineParts } from '../wasm/plan-text.ts'
import { NewPlanForm } from './NewPlanForm.tsx'
import { operatorApi } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'
import { OwnerButton } from './OwnerButton.tsx'
import { ownerCalldata } from './owner-calldata.ts'
import { parseAmount, plainAmount } from './parse-amount.ts'

interface Loaded {
  plans: Plans
  host: Host
}

async function load(signal: AbortSignal): Promise<Loaded> {
  const [plans, host] = await Promise.all([api.plans(signal), operatorApi.host(signal)])
  return { plans, host }
}

/** `/operator/plans`: what is sold, what of it fits, and what the owner's wallet may change of it. */
export function PlansPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.plans')}
      lead={t('operator.plans.lead')}
      behind={{ api: 'GET /v1/plans, GET /v1/host' }}
      name="operator-plans"
      load={load}
      everyMs={5000}
    >
      {({ plans, host }, { reload }) => (
        <>
          <Card>
            <WalletBox />
          </Card>
          {plans.buyingPaused && (
            <Notice tone="warn" title={t('operator.plans.paused')}>
              <p>{t('operator.plans.paused.text')}</p>
            </Notice>
          )}
          {plans.plans.map((plan) => (
            <PlanEditor key={plan.planId} plan={plan} host={host} reload={reload} />
          ))}
          <NewPlanForm host={host} plans={plans.plans} reload={reload} />
        </>
      )}
    </OperatorPage>
  )
}

function PlanEditor({ plan, host, reload }: { plan: PlanView; host: Host; reload(): void }) {
  const { t, locale, length } = useTexts()
  const used = plan.capacity - plan.available
  const fits = host.room.find((r) => r.planId === plan.planId)?.fits ?? null
  const [capacity, setCapacity] = useState('')
  const wanted = capacity === '' ? undefined : Number(capacity)
  const whole = wanted !== undefined && /^\d{1,6}$/.test(capacity)
  const number = (n: number) => new Intl.NumberFormat(locale).format(n)
  const owner = { owner: host.owner, contract: plan.contract, onDone: reload }
  return (
    <Card className="space-y-5">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <CardTitle>
          <bdi>{plan.name}</bdi>
        </CardTitle>
        <Badge tone={plan.open ? 'good' : 'info'}>{t(plan.open ? 'operator.plans.open' : 'operator.plans.closed')}</Badge>
      </div>
      <Facts
        facts={[
          ...(plan.kind === 'vm'
            ? [
                {
                  label: t('review.machine'),
                  value: machineParts(plan, { t, locale }).join(', '),
                },
              ]
            : []),
          {
            label: t('operator.plans.period'),
            value: t('operator.plans.period.value', { min: length(plan.minSeconds), max: length(plan.maxSeconds) }),
          },
          { label: t('operator.plans.grace'), value: length(plan.graceSeconds) },
          { label: t('operator.plans.used'), value: t('operator.rented.places', { used, capacity: plan.capacity }) },
          {
            label: t('operator.plans.fits'),
            value: fits === null ? t('operator.plans.fits.unknown') : t('operator.plans.fits.value', { count: fits }),
          },
        ]}
      />
      {fits !== null && plan.open && plan.available > fits && (
        <Notice tone="warn">
          <p>{t('operator.plans.tooMuch', { offered: plan.available, fits, proposed: used + fits })}</p>
        </Notice>
      )}
      <div className="grid gap-4 sm:grid-cols-2 sm:items-end">
        <TextField
          label={t('operator.plans.capacity')}
          hint={t('operator.plans.capacity.hint', { used: number(used) })}
          inputMode="numeric"
          value={capacity}
          placeholder={String(plan.capacity)}
          onChange={(e) => setCapacity(e.target.value.trim())}
          error={capacity !== '' && !whole ? t('operator.plans.capacity.wrong') : undefined}
        />
        <OwnerButton
          {...owner}
          data={() => ownerCalldata.setCapacity(plan.planId, wanted ?? 0)}
          disabledReason={whole ? undefined : t('operator.plans.capacity.reason')}
        >
          {t('operator.plans.capacity.submit', { name: plan.name })}
        </OwnerButton>
      </div>
      {plan.prices.map((price) => (
        <PriceEditor key={price.token} plan={plan} price={price} owner={owner} />
      ))}
      <OwnerButton {...owner} data={() => ownerCalldata.setOpen(plan.planId, !plan.open)}>
        {t(plan.open ? 'operator.plans.close' : 'operator.plans.reopen', { name: plan.name })}
      </OwnerButton>
    </Card>
  )
}

function PriceEditor({
  plan,
  price,
  owner,
}: {
  plan: PlanView
  price: PlanView['prices'][number]
  owner: { owner: string; contract: string; onDone(): void }
}) {
  const { t, locale } = useTexts()
  const [text, setText] = useState('')
  const units = parseAmount(text, price.decimals)
  return (
    <div className="grid gap-4 sm:grid-cols-2 sm:items-end">
      <TextField
        label={t('operator.plans.price', { symbol: price.symbol })}
        hint={t('operator.plans.price.hint', {
          amount: exactAmount(BigInt(price.pricePerDay), price.decimals, price.symbol, locale),
        })}
        inputMode="decimal"
        value={text}
        placeholder={plainAmount(BigInt(price.pricePerDay), price.decimals)}
        onChange={(e) => setText(e.target.value)}
        error={text !== '' && units === undefined ? t('operator.plans.price.wrong', { decimals: price.decimals }) : undefined}
      />
      <OwnerButton
        {...owner}
        data={() => ownerCalldata.setPrice(plan.planId, price.token, units ?? 0n)}
        disabledReason={units === undefined ? t('operator.plans.price.reason') : undefined}
      >
        {t('operator.plans.price.submit', { symbol: price.symbol, name: plan.name })}
      </OwnerButton>
    </div>
  )
}
