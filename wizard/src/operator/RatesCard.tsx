'use client'
import type { FiatRate, PlanView } from '@freehold/appliance/api/schemas/status'
import { useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { isCurrency, parseRate } from '../format/fiat.ts'
import { utcDate } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { TextField } from '../ui/Field.tsx'
import { usePress } from '../ui/use-press.ts'
import { operatorApi } from './operator-api.ts'

type Price = PlanView['prices'][number]

/** What one whole token is worth, for each token that a plan is sold for: shown beside exact amounts as "about", with its date. */
export function RatesCard({ plans }: { plans: readonly PlanView[] }) {
  const { t } = useTexts()
  const { status } = useHost()
  const [saved, setSaved] = useState<readonly FiatRate[]>()
  const rates = saved ?? status?.rates ?? []
  const prices = new Map(plans.flatMap((plan) => plan.prices).map((price) => [price.token.toLowerCase(), price]))
  return (
    <Card className="space-y-6">
      <div>
        <CardTitle>{t('operator.rates.title')}</CardTitle>
        <p className="mt-1 text-soft">{t('operator.rates.text')}</p>
      </div>
      {prices.size === 0 && <p className="text-soft">{t('operator.rates.none')}</p>}
      {[...prices].map(([token, price]) => (
        <RateForm key={token} price={price} rate={rates.find((one) => one.token === token)} onSaved={setSaved} />
      ))}
    </Card>
  )
}

interface RateFormProps {
  price: Price
  rate: FiatRate | undefined
  onSaved(rates: readonly FiatRate[]): void
}

function RateForm({ price, rate, onSaved }: RateFormProps) {
  const { t, locale } = useTexts()
  const { lost } = useHost()
  const { at, error, press } = usePress<'save' | 'remove'>()
  const [currency, setCurrency] = useState(rate?.currency ?? '')
  const [text, setText] = useState(rate?.rate ?? '')
  const value = parseRate(text)
  const known = isCurrency(currency)
  const { symbol } = price

  const save = () => press(async () => onSaved(await operatorApi.setRate(price.token, currency, value ?? '')), 'save')
  function remove() {
    press(async () => {
      onSaved(await operatorApi.removeRate(price.token))
      setText('')
    }, 'remove')
  }

  return (
    <fieldset className="space-y-4 rounded-lg border border-line p-4">
      <legend className="px-2 font-medium">
        <bdi>{symbol}</bdi>
      </legend>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label={t('operator.rates.currency', { symbol })}
          hint={t('operator.rates.currency.hint')}
          value={currency}
          maxLength={3}
          autoComplete="off"
          spellCheck={false}
          onChange={(e) => setCurrency(e.target.value.trim().toUpperCase())}
          error={currency !== '' && !known ? t('operator.rates.currency.wrong', { currency }) : undefined}
        />
        <TextField
          label={t('operator.rates.rate', { symbol })}
          hint={
            rate === undefined
              ? t('operator.rates.rate.hint')
              : t('operator.rates.now', { rate: rate.rate, currency: rate.currency, date: utcDate(rate.setAt, locale) })
          }
          inputMode="decimal"
          autoComplete="off"
          value={text}
          maxLength={25}
          onChange={(e) => setText(e.target.value)}
          error={text !== '' && value === undefined ? t('operator.rates.rate.wrong') : undefined}
        />
      </div>
      {error !== undefined && <ErrorBox error={error} focus />}
      <div className="flex flex-wrap gap-3">
        <Button
          look="secondary"
          busy={at === 'save' ? t('common.loading') : undefined}
          disabledReason={lost ? t('link.lost.reason') : known && value !== undefined ? undefined : t('operator.rates.reason')}
          onClick={save}
        >
          {t('operator.rates.save', { symbol })}
        </Button>
        {rate !== undefined && (
          <Button
            look="quiet"
            busy={at === 'remove' ? t('common.loading') : undefined}
            disabledReason={lost ? t('link.lost.reason') : undefined}
            onClick={remove}
          >
            {t('operator.rates.remove', { symbol })}
          </Button>
        )}
      </div>
    </fieldset>
  )
}
