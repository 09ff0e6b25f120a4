'use client'
import type { PlanView } from '@freehold/appliance/api/schemas/status'
import { useSearchParams } from 'next/navigation'
import { useEffect, useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { looksLikeAddress } from '../format/address.ts'
import { machineParts } from '../wasm/plan-text.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { About } from '../ui/About.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Choice, TextField } from '../ui/Field.tsx'
import { dayRange, daySeconds, parseDays, usualDays } from './period.ts'
import { Review } from './Review.tsx'

/**
 * What is chosen, in the URL: written there at once and without asking the server (X4), read from it on back, forward,
 * reload and from a sent link (X10). Unreadable parts fall back to the first choice.
 */
function useChoice(plan: PlanView) {
  const given = useSearchParams().toString()
  const [query, setQuery] = useState(given)
  useEffect(() => {
    const read = () => setQuery(location.search.slice(1))
    window.addEventListener('popstate', read)
    return () => window.removeEventListener('popstate', read)
  }, [])
  const chosen = new URLSearchParams(query)
  const range = dayRange(plan)
  const usual = usualDays(range)
  const days = chosen.get('days') ?? String(usual.includes(30) ? 30 : usual[0])
  const price = plan.prices.find((p) => p.token === chosen.get('token')) ?? plan.prices[0]
  const recipient = chosen.get('to')
  const reviewing = chosen.get('step') === 'review'
  const set = (changes: Record<string, string | null>, how: 'replaceState' | 'pushState' = 'replaceState') => {
    const next = new URLSearchParams(query)
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) next.delete(name)
      else next.set(name, value)
    }
    setQuery(next.toString())
    window.history[how](null, '', `${location.pathname}?${next}`)
  }
  return { range, usual, days, price, recipient, reviewing, set }
}

/** Choose, then review (S4). Both stand on one page, so that nothing chosen is out of sight when it is paid. */
export function BuyForm({ plan, paused }: { plan: PlanView; paused: boolean }) {
  const { t, locale, money, length } = useTexts()
  const { lost, status } = useHost()
  const { range, usual, days, price, recipient, reviewing, set } = useChoice(plan)
  const [custom, setCustom] = useState(!usual.includes(Number(days)))
  const [checked, setChecked] = useState(false)
  const wholeDays = parseDays(days, range)
  const goodRecipient = recipient === null || looksLikeAddress(recipient)
  const quote = useResource(
    wholeDays === undefined || price === undefined ? null : `quote ${plan.planId} ${price.token} ${wholeDays}`,
    (signal) => api.quote(plan.planId, price?.token ?? '', (wholeDays ?? 0) * daySeconds, signal),
  )
  const limits = { min: length(plan.minSeconds), max: length(plan.maxSeconds) }
  const closed = !plan.open
    ? t('plan.closed.reason')
    : plan.available === 0
      ? t('plan.soldOut.reason', { capacity: plan.capacity })
      : paused
        ? t('store.paused')
        : status?.storefront === 'closed'
          ? (status.closedBecause ?? t('store.closed.title'))
          : lost
            ? t('link.lost.reason')
            : undefined

  if (reviewing && quote.data !== undefined && wholeDays !== undefined && price !== undefined && goodRecipient) {
    return (
      <Review
        plan={plan}
        price={price}
        quote={quote.data}
        recipient={recipient}
        closed={closed}
        onEdit={() => set({ step: null })}
        onSent={(hash) => set({ tx: hash, step: null, days: null, token: null, to: null }, 'pushState')}
      />
    )
  }
  return (
    <Card>
      <form
        noValidate
        className="space-y-7"
        onSubmit={(event) => {
          event.preventDefault()
          setChecked(true)
          if (wholeDays === undefined || !goodRecipient) {
            event.currentTarget.querySelector<HTMLElement>('[aria-invalid=true]')?.focus()
            return
          }
          set({ step: 'review', days }, 'pushState')
        }}
      >
        <div>
          <CardTitle>{t('buy.configure')}</CardTitle>
          <p className="mt-1 text-soft">{machineParts(plan, { t, locale }).join(', ')}</p>
        </div>
        <Choice
          legend={t('buy.period')}
          hint={t('buy.period.hint', limits)}
          name="days"
          value={custom ? 'custom' : days}
          onChange={(value) => {
            setCustom(value === 'custom')
            if (value !== 'custom') set({ days: value })
          }}
          options={[
            ...usual.map((d) => ({ value: String(d), label: t('common.days', { count: d }) })),
            { value: 'custom', label: t('buy.period.custom') },
          ]}
        />
        {custom && (
          <TextField
            label={t('buy.period.days')}
            inputMode="numeric"
            autoComplete="off"
            value={days}
            onChange={(e) => set({ days: e.target.value })}
            error={wholeDays === undefined ? t('buy.period.wrong', { min: range.min, max: range.max }) : undefined}
          />
        )}
        {plan.prices.length > 1 && price !== undefined && (
          <Choice
            legend={t('buy.token')}
            name="token"
            value={price.token}
            onChange={(token) => set({ token })}
            options={plan.prices.map((p) => ({
              value: p.token,
              label: p.symbol,
              detail: t('plan.perDay', { amount: money(p.pricePerDay, p) }),
            }))}
          />
        )}
        <Choice
          legend={t('buy.recipient')}
          hint={recipient === null ? undefined : t('buy.recipient.hint')}
          name="recipient"
          value={recipient === null ? 'mine' : 'other'}
          onChange={(value) => set({ to: value === 'mine' ? null : '' })}
          options={[
            { value: 'mine', label: t('buy.recipient.mine') },
            { value: 'other', label: t('buy.recipient.other') },
          ]}
        />
        {recipient !== null && (
          <TextField
            label={t('buy.recipient.address')}
            autoComplete="off"
            spellCheck={false}
            className="font-mono text-sm"
            value={recipient}
            onChange={(e) => set({ to: e.target.value.trim() })}
            error={checked && !goodRecipient ? t('buy.recipient.wrong') : undefined}
          />
        )}
        {quote.error !== undefined && <ErrorBox error={quote.error} />}
        <div className="flex flex-wrap items-end justify-between gap-4 border-t border-line pt-5">
          <p aria-live="polite">
            <span className="block text-soft">{t('buy.total')}</span>
            <span className="tabular block min-h-9 text-2xl font-semibold tracking-tight">
              {quote.data === undefined ? '…' : money(quote.data.price, quote.data)}
            </span>
            {quote.data !== undefined && <About units={quote.data.price} token={quote.data} />}
          </p>
          <Button type="submit" disabledReason={closed}>
            {t('buy.toReview')}
          </Button>
        </div>
      </form>
    </Card>
  )
}
