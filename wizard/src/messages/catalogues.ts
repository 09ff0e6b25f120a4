import type { Catalogue, Locale } from './catalogue.ts'
import { de } from './de.ts'
import { en } from './en.ts'

export const catalogues: Record<Locale, Catalogue> = { en, de }
