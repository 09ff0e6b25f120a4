import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { IssuesPage } from '../../../operator/IssuesPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.issues')

export default function Page() {
  return <IssuesPage />
}
