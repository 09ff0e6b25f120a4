import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { SettingsPage } from '../../../operator/SettingsPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.settings')

export default function Page() {
  return <SettingsPage />
}
