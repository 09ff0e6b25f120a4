'use client'
import type { Host } from '@freehold/appliance/api/schemas/operator'
import type { PlanView } from '@freehold/appliance/api/schemas/status'
import { useState } from 'react'
import { nativeToken } from '../chain/contract.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { TextField } from '../ui/Field.tsx'
import { ownerCalldata } from './owner-calldata.ts'
import { OwnerButton } from './OwnerButton.tsx'
import { parseAmount } from './parse-amount.ts'

const day = 86_400
const first = { name: '', vcpus: '1', memoryMiB: '1024', diskGiB: '10', graceDays: '7', capacity: '1' }
type Fields = typeof first

/** The smallest and largest of each number. Source: types of the contract's struct Plan, grace by design §5. */
const ranges = {
  vcpus: [1, 256],
  memoryMiB: [256, 4_194_304],
  diskGiB: [1, 1_048_576],
  graceDays: [1, 365],
  capacity: [0, 1_000_000],
} as const satisfies Partial<Record<keyof Fields, readonly [number, number]>>

/** A further plan: all but price, capacity and sale stays for ever, which the form says before the wallet opens. */
export function NewPlanForm({ host, plans, reload }: { host: Host; plans: readonly PlanView[]; reload(): void }) {
  const { t } = useTexts()
  const [fields, setFields] = useState(first)
  const [prices, setPrices] = useState<Record<string, string>>({})
  const tokens = [...new Map(plans.flatMap((p) => p.prices.map((price) => [price.token, price] as const))).values()]
  const offered = tokens.length > 0 ? tokens : [{ token: nativeToken, symbol: 'ETH', decimals: 18 }]
  const wrongName = !/^[A-Za-z0-9 ._-]{1,32}$/.test(fields.name)
  const wrong = (Object.keys(ranges) as (keyof typeof ranges)[]).filter((key) => {
    const [least, most] = ranges[key]
    return !/^\d{1,7}$/.test(fields[key]) || Number(fields[key]) < least || Number(fields[key]) > most
  })
  const priced = offered.map((token) => ({
    ...token,
    text: prices[token.token] ?? '',
    perDay: parseAmount(prices[token.token] ?? '', token.decimals),
  }))
  const set = priced.flatMap(({ token, perDay }) => (perDay === undefined || perDay === 0n ? [] : [{ token, perDay }]))
  const wrongPrice = priced.some(({ text, perDay }) => text !== '' && perDay === undefined)
  const complete = !wrongName && wrong.length === 0 && set.length > 0 && !wrongPrice

  return (
    <Card className="space-y-5">
      <div>
        <CardTitle>{t('operator.newPlan.title')}</CardTitle>
        <p className="mt-1 text-soft">{t('operator.newPlan.text')}</p>
      </div>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label={t('operator.newPlan.name')}
          value={fields.name}
          maxLength={32}
          onChange={(e) => setFields({ ...fields, name: e.target.value })}
          error={fields.name !== '' && wrongName ? t('operator.newPlan.name.wrong') : undefined}
        />
        {(Object.keys(ranges) as (keyof typeof ranges)[]).map((key) => (
          <TextField
            key={key}
            label={t(`operator.newPlan.${key}`)}
            inputMode="numeric"
            value={fields[key]}
            onChange={(e) => setFields({ ...fields, [key]: e.target.value.trim() })}
            error={wrong.includes(key) ? t('operator.newPlan.range', { min: ranges[key][0], max: ranges[key][1] }) : undefined}
          />
        ))}
        {priced.map(({ token, symbol, decimals, text, perDay }) => (
          <TextField
            key={token}
            label={t('operator.plans.price', { symbol })}
            inputMode="decimal"
            value={text}
            onChange={(e) => setPrices({ ...prices, [token]: e.target.value })}
            error={text !== '' && perDay === undefined ? t('operator.plans.price.wrong', { decimals }) : undefined}
          />
        ))}
      </div>
      <OwnerButton
        owner={host.owner}
        contract={host.contract}
        look="primary"
        onDone={() => {
          setFields(first)
          setPrices({})
          reload()
        }}
        disabledReason={complete ? undefined : t('operator.newPlan.incomplete')}
        data={() =>
          ownerCalldata.addPlan({
            name: fields.name,
            vcpus: Number(fields.vcpus),
            memoryMiB: Number(fields.memoryMiB),
            diskGiB: Number(fields.diskGiB),
            graceSeconds: Number(fields.graceDays) * day,
            activationDeadlineSeconds: 3600,
            minSeconds: day,
            maxSeconds: 90 * day,
            capacity: Number(fields.capacity),
            prices: set,
          })
        }
      >
        {t('operator.newPlan.submit')}
      </OwnerButton>
    </Card>
  )
}
