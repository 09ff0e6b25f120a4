'use client'
import { createContext, use, useMemo, type ReactNode } from 'react'
import { distance, lengthParts, utcTime } from '../format/time.ts'
import { exactAmount } from '../format/money.ts'
import { fill, type Catalogue, type Locale, type MessageKey, type MessageValues } from '../messages/catalogue.ts'

/** Texts and formats in the person's language. */
export interface Texts {
  locale: Locale
  t(key: MessageKey, values?: MessageValues): string
  /** `7 days` */
  length(seconds: number): string
  /** `3 Mar 2027, 14:00 UTC, in 5 days` (X21) */
  when(unixSeconds: number, now: number): string
  /** The exact amount with its symbol. */
  money(units: bigint | string, token: { decimals: number; symbol: string }): string
}

const TextContext = createContext<Texts | undefined>(undefined)

/** Hands the one catalogue that is needed to the pages; the others are never loaded. */
export function TextProvider({ locale, catalogue, children }: { locale: Locale; catalogue: Catalogue; children: ReactNode }) {
  const texts = useMemo((): Texts => {
    const t: Texts['t'] = (key, values) => fill(catalogue[key], locale, values)
    return {
      locale,
      t,
      length(seconds) {
        const { unit, count } = lengthParts(seconds)
        return t(`common.${unit}`, { count })
      },
      when: (at, now) => t('common.when', { time: utcTime(at, locale), distance: distance(at, now, locale) }),
      money: (units, token) => exactAmount(BigInt(units), token.decimals, token.symbol, locale),
    }
  }, [locale, catalogue])
  return <TextContext value={texts}>{children}</TextContext>
}

export function useTexts(): Texts {
  const texts = use(TextContext)
  if (texts === undefined) throw new TypeError('useTexts needs a TextProvider above it')
  return texts
}
