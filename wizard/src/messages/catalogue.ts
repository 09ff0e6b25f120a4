import { FormatError, IntlMessageFormat } from 'intl-messageformat'
import type { en } from './en.ts'

export type MessageKey = keyof typeof en
/** Texts in ICU MessageFormat: `{name}`, and `{count, plural, one {# day} other {# days}}`. */
export type Catalogue = Record<MessageKey, string>
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

const parsed = new Map<string, IntlMessageFormat>()

/** Each text is read once: pages ask for the same ones at every drawing. */
function parse(message: string, locale: Locale): IntlMessageFormat {
  const key = `${locale} ${message}`
  let format = parsed.get(key)
  if (format === undefined) {
    // a text is a text: what looks like a tag is shown, never interpreted
    format = new IntlMessageFormat(message, locale, undefined, { ignoreTag: true })
    parsed.set(key, format)
  }
  return format
}

/** Signs that turn what is around them, and scripts that run from right to left. Source: Unicode Bidirectional Algorithm (UAX #9). */
const turns = /[\u202A-\u202E\u2066-\u2069]/g
const runsLeft = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u

/** Somebody else's words within ours: in whatever direction they run, those around them keep theirs. */
function isolated(words: string): string {
  const plain = words.replace(turns, '')
  return plain !== words || runsLeft.test(plain) ? `\u2068${plain}\u2069` : words
}

/**
 * A message with its values. `count` chooses the form and is written by the message (`#`);
 * every other number is written as the locale does. A message whose value is missing stays as it stands.
 */
export function fill(message: string, locale: Locale, values: MessageValues = {}): string {
  const written = Object.entries(values).map(([name, value]) => [
    name,
    typeof value === 'string' ? isolated(value) : name === 'count' ? value : new Intl.NumberFormat(locale).format(value),
  ])
  try {
    return String(parse(message, locale).format(Object.fromEntries(written) as MessageValues))
  } catch (error) {
    if (error instanceof FormatError) return message
    throw error
  }
}
