import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { SessionsPage } from '../../../operator/SessionsPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.sessions')

export default function Page() {
  return <SessionsPage />
}
