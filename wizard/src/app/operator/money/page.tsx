import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { MoneyPage } from '../../../operator/MoneyPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.money')

export default function Page() {
  return <MoneyPage />
}
