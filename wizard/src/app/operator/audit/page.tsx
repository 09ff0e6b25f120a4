import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { AuditPage } from '../../../operator/AuditPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.audit')

export default function Page() {
  return <AuditPage />
}
