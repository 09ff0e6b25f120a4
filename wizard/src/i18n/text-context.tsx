'use client'
import { createContext, use, useMemo, type ReactNode } from 'react'
import { distance, lengthParts, utcTime } from '../format/time.ts'
import { exactAmount } from '../format/money.ts'
import { fill, type Catalogue, type Locale, type MessageKey, type MessageValues } from '../messages/catalogue.ts'

/** Texts and formats in the person's language. */
export interface Texts {
  locale: Locale
  t(key: MessageKey, values?: MessageValues): string
  /** A title or usual hint of the host's catalogue of errors; what is not of it stays as the host said it. */
  host(text: string): string
  /** `lang` of what the host says of one case, which is English; absent where the page is too. */
  hostLang: 'en' | undefined
  /** `7 days` */
  length(seconds: number): string
  /** `3 Mar 2027, 14:00 UTC, in 5 days` (X21) */
  when(unixSeconds: number, now: number): string
  /** The exact amount with its symbol. */
  money(units: bigint | string, token: { decimals: number; symbol: string }): string
}

const TextContext = createContext<Texts | undefined>(undefined)

interface TextProviderProps {
  locale: Locale
  catalogue: Catalogue
  hostWords: Readonly<Record<string, string>>
  children: ReactNode
}

/** Hands the one catalogue that is needed to the pages; the others are never loaded. */
export function TextProvider({ locale, catalogue, hostWords, children }: TextProviderProps) {
  const texts = useMemo((): Texts => {
    const t: Texts['t'] = (key, values) => fill(catalogue[key], locale, values)
    return {
      locale,
      t,
      host: (text) => hostWords[text] ?? text,
      hostLang: locale === 'en' ? undefined : 'en',
      length(seconds) {
        const { unit, count } = lengthParts(seconds)
        return t(`common.${unit}`, { count })
      },
      when: (at, now) => t('common.when', { time: utcTime(at, locale), distance: distance(at, now, locale) }),
      money: (units, token) => exactAmount(BigInt(units), token.decimals, token.symbol, locale),
    }
  }, [locale, catalogue, hostWords])
  return <TextContext value={texts}>{children}</TextContext>
}

export function useTexts(): Texts {
  const texts = use(TextContext)
  if (texts === undefined) throw new TypeError('useTexts needs a TextProvider above it')
  return texts
}
