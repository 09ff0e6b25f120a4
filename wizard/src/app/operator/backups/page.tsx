import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { BackupsPage } from '../../../operator/BackupsPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.backups')

export default function Page() {
  return <BackupsPage />
}
