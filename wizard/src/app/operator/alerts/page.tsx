import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { AlertsPage } from '../../../operator/AlertsPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.alerts')

export default function Page() {
  return <AlertsPage />
}
