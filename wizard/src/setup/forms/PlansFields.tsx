'use client'
import { useState } from 'react'
import { useTexts } from '../../i18n/text-context.tsx'
import { Button } from '../../ui/Button.tsx'
import { TextField } from '../../ui/Field.tsx'
import { numberOf, type FieldsProps, type Wrong } from './fields.ts'
import { amountText, amountUnits } from './amounts.ts'

interface Plan {
  name: string
  vcpus: number | string
  memoryMiB: number | string
  diskGiB: number | string
  graceDays: number | string
  capacity: number | string
  prices: Record<string, string>
}

const numbers = ['vcpus', 'memoryMiB', 'diskGiB', 'capacity', 'graceDays'] as const

/** What is sold: sizes, how many at most, and the price of a day in the network's own coin. Further tokens come by the answer file. */
export function PlansFields({ value, onChange, wrong }: FieldsProps) {
  const { t } = useTexts()
  const plans = value['plans'] as Plan[]
  const change = (index: number, fields: Partial<Plan>) =>
    onChange({ plans: plans.map((plan, i) => (i === index ? { ...plan, ...fields } : plan)) })
  return (
    <>
      {plans.map((plan, index) => (
        // the order is the identity: a plan has no other before it is on chain
        <fieldset key={index} className="space-y-5 rounded-xl border border-line p-4 pt-0">
          <legend className="px-2 font-medium">{t('setup.plans.plan', { count: index + 1 })}</legend>
          <TextField
            label={t('setup.plans.name')}
            {...wrong(`/plans/${index}/name`)}
            value={plan.name}
            onChange={(e) => change(index, { name: e.target.value })}
            autoComplete="off"
          />
          <div className="grid gap-5 sm:grid-cols-2">
            {numbers.map((name) => (
              <TextField
                key={name}
                label={t(`setup.plans.${name}`)}
                {...wrong(`/plans/${index}/${name}`)}
                value={String(plan[name])}
                onChange={(e) => change(index, { [name]: numberOf(e.target.value) })}
                inputMode="numeric"
                autoComplete="off"
              />
            ))}
            <PriceField
              units={plan.prices['native'] ?? ''}
              {...wrong(`/plans/${index}/prices/native`, `/plans/${index}/prices`)}
              onChange={(native) => change(index, { prices: { ...plan.prices, native } })}
            />
          </div>
          {plans.length > 1 && (
            <Button look="secondary" onClick={() => onChange({ plans: plans.filter((_, i) => i !== index) })}>
              {t('setup.plans.remove', { name: plan.name })}
            </Button>
          )}
        </fieldset>
      ))}
      <Button
        look="secondary"
        onClick={() => {
          const last = plans.at(-1)
          if (last !== undefined) onChange({ plans: [...plans, { ...last, name: '' }] })
        }}
      >
        {t('setup.plans.add')}
      </Button>
    </>
  )
}

/** What is typed stays as typed: `0.0` is on its way to `0.001`. */
function PriceField({ units, onChange, ...wrong }: { units: string; onChange(units: string): void } & Wrong) {
  const { t } = useTexts()
  const [text, setText] = useState(() => amountText(units))
  return (
    <TextField
      label={t('setup.plans.price')}
      hint={t('setup.plans.priceHint')}
      {...wrong}
      value={text}
      onChange={(e) => {
        setText(e.target.value)
        onChange(amountUnits(e.target.value))
      }}
      inputMode="decimal"
      autoComplete="off"
    />
  )
}
