import type { Metadata } from 'next'
import { pageTitle } from '../../i18n/server.ts'
import { OverviewPage } from '../../operator/OverviewPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.overview')

export default function Page() {
  return <OverviewPage />
}
