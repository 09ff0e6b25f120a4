import type { Catalogue, Locale } from './catalogue.ts'
import { de } from './de.ts'
import { en } from './en.ts'
import { hostWordsDe } from './host-de.ts'

export const catalogues: Record<Locale, Catalogue> = { en, de }

/** What the host says of errors in general, by its English text. */
export const hostWords: Record<Locale, Readonly<Record<string, string>>> = { en: {}, de: hostWordsDe }
