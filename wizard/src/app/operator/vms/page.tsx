import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { VmsPage } from '../../../operator/VmsPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.vms')

export default function Page() {
  return <VmsPage />
}
