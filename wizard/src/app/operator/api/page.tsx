import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { ApiPage } from '../../../operator/ApiPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.api')

export default function Page() {
  return <ApiPage />
}
