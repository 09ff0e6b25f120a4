import type { en } from './en.ts'

/** A text, or its forms by number (`count` chooses; categories of Intl.PluralRules). */
export type Message = string | { one: string; other: string }
export type MessageKey = keyof typeof en
export type Catalogue = Record<MessageKey, Message>
export type MessageValues = Record<string, string | number>

/** The languages that are complete. */
export const locales = ['en', 'de'] as const
export type Locale = (typeof locales)[number]
export const defaultLocale: Locale = 'en'

export function isLocale(text: string | undefined): text is Locale {
  return locales.some((l) => l === text)
}

/** The best of our locales for an `Accept-Language` header. Source: RFC 9110, 12.5.4. */
export function localeOf(acceptLanguage: string | null): Locale {
  const wanted = (acceptLanguage ?? '')
    .split(',')
    .map((part) => {
      const [tag = '', ...parameters] = part.trim().split(';')
      const q = parameters.map((p) => /^\s*q=([\d.]+)/.exec(p)?.[1]).find((v) => v !== undefined)
      return { tag: tag.toLowerCase().split('-')[0], weight: q === undefined ? 1 : Number(q) }
    })
    .filter((w) => w.weight > 0)
    .sort((a, b) => b.weight - a.weight)
  for (const { tag } of wanted) if (isLocale(tag)) return tag
  return defaultLocale
}

/** Fills `{name}` in a message; numbers are written as the locale does. Throws nothing: an unknown name stays visible. */
export function fill(message: Message, locale: Locale, values: MessageValues = {}): string {
  const text =
    typeof message === 'string'
      ? message
      : message[new Intl.PluralRules(locale).select(Number(values['count'])) === 'one' ? 'one' : 'other']
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name]
    if (value === undefined) return whole
    return typeof value === 'number' ? new Intl.NumberFormat(locale).format(value) : value
  })
}
