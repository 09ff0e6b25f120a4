'use client'
import { useHost } from '../api/host-context.tsx'
import { fiatAmount } from '../format/fiat.ts'
import { utcDate } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'

interface AboutProps {
  units: bigint | string
  token: { token: string; decimals: number }
}

/** About what an exact amount is worth, at the rate that the operator entered, with its date (X21); nothing where none was. */
export function About({ units, token }: AboutProps) {
  const { status } = useHost()
  const { t, locale } = useTexts()
  const rate = status?.rates.find((one) => one.token === token.token.toLowerCase())
  if (rate === undefined) return null
  const amount = fiatAmount(BigInt(units), token.decimals, rate, locale)
  return (
    <span className="block text-sm font-normal tracking-normal text-soft">
      {t('money.about', { amount, date: utcDate(rate.setAt, locale) })}
    </span>
  )
}
