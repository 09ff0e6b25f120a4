import type { Metadata } from 'next'
import { pageTitle } from '../../../../i18n/server.ts'
import { TransactionPage } from '../../../../operator/TransactionPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.money.transaction')

export default async function Page({ params }: { params: Promise<{ hash: string }> }) {
  return <TransactionPage hash={(await params).hash} />
}
