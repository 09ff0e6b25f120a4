import { cookies, headers } from 'next/headers'
import { fill, isLocale, localeOf, type Locale, type MessageKey, type MessageValues } from '../messages/catalogue.ts'
import { catalogues } from '../messages/catalogues.ts'
import { isTheme, type Theme } from '../ui/theme.ts'

/** The person's language: what was chosen here, else what the browser asks for. */
export async function requestLocale(): Promise<Locale> {
  const chosen = (await cookies()).get('freehold-locale')?.value
  return isLocale(chosen) ? chosen : localeOf((await headers()).get('accept-language'))
}

/** Known before the first byte is drawn, so that no page flashes in another theme (X16). */
export async function requestTheme(): Promise<Theme> {
  const chosen = (await cookies()).get('freehold-theme')?.value
  return isTheme(chosen) ? chosen : 'system'
}

/** A text for titles, which are made on the server. */
export async function serverText(key: MessageKey, values?: MessageValues): Promise<string> {
  const locale = await requestLocale()
  return fill(catalogues[locale][key], locale, values)
}

/** `<title>` of a page: its own name first, since tabs cut the end off. */
export async function pageTitle(key: MessageKey, values?: MessageValues): Promise<{ title: string }> {
  return { title: await serverText('app.title', { page: await serverText(key, values) }) }
}
