import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { PlansPage } from '../../../operator/PlansPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.plans')

export default function Page() {
  return <PlansPage />
}
